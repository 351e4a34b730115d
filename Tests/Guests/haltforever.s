# Halts with interrupts off: the end of a run, for nothing but an NMI could wake it.
        .include "machine.inc"

        .globl  start
start:
        call    serial_init
        print   "halting for good\n"
        cli
1:      hlt
        jmp     1b
