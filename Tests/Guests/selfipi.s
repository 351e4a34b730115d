# Interrupts that it sends itself, vectors 32 and 33, and those of the timer and the UART: each has to come at the first
# place where the CPU accepts it, the highest priority first. The handlers look at where they came from. A step that
# fails says so and ends with status 3. `--append N` sets the rounds (4): each begins a little later than the one before.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "window.inc"
        .include "apic.inc"
        .include "places.inc"

        .equ    HIGHER, 0x41
        .equ    UART_VECTOR, IRQ_BASE + 4

# Notes the vector and whether the place is right.
        .macro  note vector
        shl     qword ptr [rip + seen], 8
        or      qword ptr [rip + seen], \vector
        mov     rax, [rsp + 8]
        cmp     rax, [rip + place]
        je      9971f
        or      byte ptr [rip + seen + 7], MISPLACED
9971:
        .endm

        .macro  handler vector
on_\vector:
        push    rax
        note    \vector
        mov     dword ptr [rbx + APIC_EOI], 0
        pop     rax
        iretq
        .endm

        .globl  start
start:
        mov     eax, 4
        call    parse_number
        mov     r15, rax
        call    serial_init
        call    interrupts_init
        gate    HIGHER, on_0x41
        map_window APIC
        mov     dword ptr [rbx + SPURIOUS], 0x1ff
rounds: gate    32, on_32
        gate    33, on_33
        mov     rcx, r15
        imul    rcx, rcx, 137
        loop    .
        call    gates
        call    priorities
        call    nesting
        gate    IRQ_BASE, on_timer
        gate    UART_VECTOR, on_uart
        call    lines
        dec     r15
        jnz     rounds
        print   "every interrupt came where it must\n"
        power_off

# STI, POPF, IRET and HLT open the gate for both.
gates:
        send    32
        send    33
        expect_at 1f
        sti
        nop
1:      cli
        handled 0x2120, "STI"
        send    33
        send    32
        expect_at 1f
        sti
        mov     eax, ss
1:      cli
        handled 0x2120, "STI, in the other order"
        send    32
        sti
        cli
        handled 0, "the shadow of STI"
        expect_at 1f
        push    0x202
        popfq
1:      cli
        handled 0x20, "POPF"
        send    32
        send    33
        expect_at 1f
        return_to 1f
1:      cli
        handled 0x2120, "IRET"
        send    32
        send    33
        expect_at 1f
        sti
        hlt
1:      cli
        handled 0x2120, "HLT"
# Behind STI no further shadow is promised: the one of MOV SS may count or not (Intel SDM vol. 3, 6.8.3).
        expect_at 1f
        sti
        nop
        send    32
1:      nop
        cli
        handled 0x20, "ICR with interrupts on"
        ret

# The task priority holds class 2 back until it falls.
priorities:
        mov     eax, 2
        mov     cr8, rax
        send    32
        send    33
        sti
        nop
        cli
        handled 0, "held back by CR8"
        xor     ecx, ecx
        expect_at 1f
        sti
        nop
        mov     cr8, rcx
1:      cli
        handled 0x2120, "CR8"
        mov     dword ptr [rbx + TPR], 0x2f
        send    32
        send    33
        sti
        nop
        cli
        handled 0, "held back by TPR"
        expect_at 1f
        sti
        nop
        mov     dword ptr [rbx + TPR], 0x1f
1:      cli
        handled 0x2120, "TPR"
        mov     dword ptr [rbx + TPR], 0x20
        send    32
        send    HIGHER
        expect_at 1f
        sti
        nop
1:      cli
        handled HIGHER, "a higher class"
        expect_at 1f
        mov     dword ptr [rbx + TPR], 0
        sti
        nop
1:      cli
        handled 0x20, "TPR while interrupts are off"
        ret

# A handler that opens the gate: its own class waits for its end, a higher one does not.
nesting:
        gate    32, on_32_open
        send    32
        expect_at 1f
        sti
        nop
1:      cli
        handled 0x204121, "nesting"
        ret

on_32_open:
        push    rax
        note    32
        send    33
        send    HIGHER
        expect_at 2f
        sti
        nop
2:      cli
        mov     eax, [rbx + ISR1]
        cmp     eax, 1                  # vector 32, not 33
        jne     3f
        mov     eax, [rbx + IRR1]
        cmp     eax, 2
        jne     3f
        expect_at 4f
        sti
        nop
        mov     dword ptr [rbx + APIC_EOI], 0
4:      cli
        pop     rax
        iretq
3:      or      byte ptr [rip + seen + 7], MISPLACED
        mov     dword ptr [rbx + APIC_EOI], 0
        pop     rax
        iretq

# The timer's and the UART's through the 8259A.
lines:
        unmask_irqs 0xff
        mov     al, 0x30                # counter 0, mode 0: once
        out     PIT_CONTROL, al
        mov     al, 1
        out     PIT_COUNTER0, al
        mov     al, 0
        out     PIT_COUNTER0, al
        mov     al, 0x0a                # the next reads are of the requests
        out     PIC1, al
1:      in      al, PIC1
        test    al, 1
        jz      1b
        mov     dx, UART_IER            # the transmitter is empty, which asks at once
        mov     al, 2
        out     dx, al
        in      al, PIC1
        and     al, 0x11
        cmp     al, 0x11
        je      1f
        print   "wrong: the requests of the timer and the UART\n"
        exit_with FAILED
1:      unmask_irqs 0xee
        expect_at 1f
        sti
        nop
1:      cli
        handled 0x2024, "timer and UART, STI"
        mov     dx, UART_IER
        mov     al, 2
        out     dx, al
        expect_at 1f
        push    0x202
        popfq
1:      cli
        handled 0x24, "UART, POPF"
        expect_at 1f
        mov     dx, UART_IER
        mov     al, 2
        sti
        nop
        out     dx, al
1:      nop
        cli
        handled 0x24, "UART with interrupts on"
        unmask_irqs 0xff
        ret

        handler 32
        handler 33
        handler 0x41
on_timer:
        push    rax
        note    0x20
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq
# Reading IIR ends its interrupt, and the next one is asked for by enabling it again.
on_uart:
        push    rax
        push    rdx
        mov     dx, UART_IIR
        in      al, dx
        mov     dx, UART_IER
        mov     al, 0
        out     dx, al
        mov     al, EOI
        out     PIC1, al
        pop     rdx
        note    UART_VECTOR
        pop     rax
        iretq

        .bss
        .balign 8
seen:   .skip   8
place:  .skip   8
