# An interrupt is pending when STI, POPF or IRET opens the gate: its handler must have run before the second instruction
# after STI, and before the first one after the others. Prints how many it has seen there, and ends with status 3 when
# that is not one.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    FAILED, 1

# Waits until the first 8259A has a request of the timer, which nobody has taken.
        .macro  await_request
        mov     qword ptr [rip + count], 0
        mov     al, 0x30                # counter 0, mode 0: once
        out     PIT_CONTROL, al
        mov     al, 0x00
        out     PIT_COUNTER0, al
        mov     al, 0x01
        out     PIT_COUNTER0, al
        mov     al, 0x0a                # the next read is of the requests
        out     PIC1, al
9970:   in      al, PIC1
        test    al, 1
        jz      9970b
        .endm

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
        await_request
        sti
        nop
        mov     rbx, [rip + count]
        cli
        seen    "STI; NOP"
        await_request
        push    0x202
        popfq
        mov     rbx, [rip + count]
        cli
        seen    "POPF"
        await_request
        mov     rdx, rsp
        mov     eax, ss
        push    rax
        push    rdx
        push    0x202
        push    KERNEL_CS
        lea     rax, [rip + 1f]
        push    rax
        iretq
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
