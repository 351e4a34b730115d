# Sleeps in HLT and counts timer interrupts, a line for each; 10 of them, or as many as the command line says.
        .include "machine.inc"
        .include "interrupts.inc"

        .globl  start
start:
        mov     eax, 10
        call    parse_number
        mov     rbx, rax                # ticks wanted
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        timer   100
        unmask_irqs 0xfe
        xor     ebp, ebp                # ticks printed
next:
        cli
        cmp     rbp, [rip + ticks]
        jb      1f
        sti                             # takes effect after HLT has begun: no tick is slept through
        hlt
        jmp     next
1:      sti
        inc     rbp
        print   "tick "
        mov     rax, rbp
        call    put_decimal
        print   "\n"
        cmp     rbp, rbx
        jb      next
        power_off

on_timer:
        push    rax
        inc     qword ptr [rip + ticks]
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq

        .bss
ticks:  .skip   8
