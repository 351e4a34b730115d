# An interrupt is pending when STI, POPF or IRET opens the gate: its handler must have run before the second instruction
# after STI, and before the first one after the others. Prints how many it has seen there, and ends with status 3 when
# that is not one.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    FAILED, 1

# rbx interrupts had been seen.
        .macro  seen name
        mov     rax, rbx
        call    put_decimal
        print   " interrupt seen behind \name\n"
        cmp     rbx, 1
        jne     failed
        .endm

        .globl  start
start:  call    serial_init
        call    interrupts_init
        gate    IRQ_BASE, on_irq
        unmask_irqs 0xfe
        mov     qword ptr [rip + count], 0
        await_line_0
        sti
        nop
        mov     rbx, [rip + count]
        cli
        seen    "STI; NOP"
        mov     qword ptr [rip + count], 0
        await_line_0
        push    0x202
        popfq
        mov     rbx, [rip + count]
        cli
        seen    "POPF"
        mov     qword ptr [rip + count], 0
        await_line_0
        return_to 1f
1:      mov     rbx, [rip + count]
        cli
        seen    "IRET"
        power_off
failed: exit_with FAILED

on_irq: inc     qword ptr [rip + count]
        push    rax
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq

        .bss
        .balign 8
count:  .skip   8
