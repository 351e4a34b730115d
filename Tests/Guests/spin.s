# Counts in kernel mode, without ever exiting by itself, until the timer has come 20 times (or as often as the command
# line says): the interrupts need a kick, and the counter makes every place of the loop different.
        .include "machine.inc"
        .include "interrupts.inc"

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     rbx, rax
        call    serial_init
        print   "spinning\n"
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        timer   100
        unmask_irqs 0xfe
        xor     eax, eax
        sti
1:      inc     rax
        cmp     [rip + ticks], rbx
        jb      1b
        cli
        print   "interrupts came\n"     # how far it counted is not told: it differs from run to run
        power_off

on_timer:
        push    rax
        inc     qword ptr [rip + ticks]
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq

        .bss
        .balign 8
ticks:  .skip   8
