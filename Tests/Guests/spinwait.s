# Waits in kernel mode for a word that the timer's handler changes, without ever exiting by itself, 20 times (or as
# often as the command line says). Every turn of the loop has the same registers and the same memory: any of them is
# the right place for the interrupt, but for the first one behind the handler, where AF is another one, so that the next
# interrupt would push another word of flags.
        .include "machine.inc"
        .include "interrupts.inc"

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     rbx, rax
        call    serial_init
        print   "waiting\n"
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        timer   100
        unmask_irqs 0xfe
        sti
1:      pause
        cmp     [rip + ticks], rbx
        jb      1b
        cli
        print   "interrupts came\n"
        power_off

on_timer:
        push    rax
        inc     qword ptr [rip + ticks]
        mov     al, EOI
        out     PIC1, al
        xor     qword ptr [rsp + 24], 0x10      # AF in the flags that IRETQ takes
        pop     rax
        iretq

        .bss
        .balign 8
ticks:  .skip   8
