# Faults without an interrupt descriptor table: a double, then a triple fault.
        .include "machine.inc"

        .globl  start
start:
        call    serial_init
        print   "about to triple fault\n"
        lidt    [rip + nothing]
        ud2

        .data
        .balign 8
nothing:
        .word   0
        .quad   0
