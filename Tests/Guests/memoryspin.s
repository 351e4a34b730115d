# Counts in memory, in user mode, with registers that never change, until the timer has come 20 times (or as often as
# the command line says); then the handler powers off. Where an interrupt came is in the counter alone.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     [rip + wanted], rax
        call    serial_init
        print   "counting in memory\n"
        call    interrupts_init
        call    user_init
        gate    IRQ_BASE + 0, on_timer
        timer   100
        unmask_irqs 0xfe
        enter_user count, user_stack_top

count:  inc     dword ptr [rip + counter]
        jmp     count

on_timer:
        push    rax
        mov     al, EOI
        out     PIC1, al
        inc     qword ptr [rip + ticks]
        mov     rax, [rip + wanted]
        cmp     [rip + ticks], rax
        jae     1f
        pop     rax
        iretq
1:      print   "interrupts came\n"
        power_off

        .bss
        .balign 8
ticks:  .skip   8
counter:
        .skip   8
wanted: .skip   8
