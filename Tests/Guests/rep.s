# Long REP instructions under timer interrupts. The handler looks at the registers and the memory of the REP instruction
# that it interrupted: an interrupt between two iterations finds RIP on the instruction, and everything before RCX done
# and nothing after it. After N interrupts (20), T periods of the PIT (10: 8 us) apart, it prints how many came inside,
# and a hash of where. Where an interrupt takes longer than that to handle, the guest does not get on.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    COUNT, 4096
        .equ    FILL, 0x55              # not in the pattern, whose bytes are below 0x40
        .equ    WRONG, 1

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     [rip + wanted], eax
        cmp     byte ptr [rsi], ' '
        jne     1f
        inc     rsi
1:      mov     eax, 10
        call    parse_number
        mov     [rip + period], al
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        lea     rdi, [rip + source]
        xor     eax, eax
1:      mov     edx, eax
        and     edx, 0x3f
        mov     [rdi + rax], dl
        inc     eax
        cmp     eax, COUNT
        jb      1b
        mov     al, 0x34                # counter 0, mode 2
        out     PIT_CONTROL, al
        mov     al, [rip + period]
        out     PIT_COUNTER0, al
        xor     eax, eax
        out     PIT_COUNTER0, al
        unmask_irqs 0xfe

turn:
        sti
        mov     ecx, 200                # something else: a REP instruction counts as one, and time with it
1:      dec     ecx
        jnz     1b
        lea     rdi, [rip + target]
        mov     ecx, COUNT
        mov     al, FILL
do_stos:
        rep     stosb
        lea     rsi, [rip + source]
        lea     rdi, [rip + target]
        mov     ecx, COUNT
do_movs:
        rep     movsb
        lea     rsi, [rip + source]
        lea     rdi, [rip + target]
        mov     ecx, COUNT
do_cmps:
        repe    cmpsb
        jne     wrong
        lea     rdi, [rip + target]
        mov     ecx, COUNT
        mov     al, FILL
do_scas:
        repne   scasb
        je      wrong
        mov     eax, [rip + interrupts]
        cmp     eax, [rip + wanted]
        jb      turn

        cli
        print   "interrupts: "
        mov     eax, [rip + interrupts]
        call    put_decimal
        print   ", inside: "
        mov     eax, [rip + inside]
        call    put_decimal
        print   ", hash: "
        mov     rax, [rip + hash]
        call    put_hex
        print   "\n"
        power_off

wrong:
        cli
        print   "WRONG STATE INSIDE A REP\n"
        exit_with WRONG

on_timer:
        push    rax
        push    rdx
        inc     dword ptr [rip + interrupts]
        mov     rdx, [rsp + 16]         # the interrupted instruction
        lea     rax, [rip + do_stos]
        cmp     rdx, rax
        je      1f
        lea     rax, [rip + do_scas]
        cmp     rdx, rax
        je      1f
        lea     rax, [rip + do_cmps]
        cmp     rdx, rax
        je      2f
        lea     rax, [rip + do_movs]
        cmp     rdx, rax
        jne     done
# MOVS: the byte before RDI is moved, the one at RDI is not.
        test    rcx, rcx
        jz      done
        cmp     ecx, COUNT
        je      done
        mov     al, [rsi - 1]
        cmp     al, [rdi - 1]
        jne     wrong
        cmp     byte ptr [rdi], FILL
        jne     wrong
2:      lea     rax, [rip + source + COUNT]
        sub     rax, rcx
        cmp     rax, rsi
        jne     wrong
1:      test    rcx, rcx
        jz      done
        cmp     ecx, COUNT
        je      done
        lea     rax, [rip + target + COUNT]
        sub     rax, rcx
        cmp     rax, rdi
        jne     wrong
        inc     dword ptr [rip + inside]
        imul    rax, [rip + hash], 31
        add     rax, rcx
        add     rax, rdx
        mov     [rip + hash], rax
done:   mov     al, EOI
        out     PIC1, al
        pop     rdx
        pop     rax
        iretq

        .bss
        .balign 4096
        .globl  source, target, inside
source: .skip   COUNT
target: .skip   COUNT
hash:   .skip   8
wanted: .skip   4
period: .skip   4
interrupts:
        .skip   4
inside: .skip   4
