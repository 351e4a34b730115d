# Waits for a non-maskable interrupt with interrupts off, and prints how many came; without one in 50000 port reads
# (or as many as the command line says) it ends with status 3 (code 1).
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    NO_NMI, 1

        .globl  start
start:
        mov     eax, 50000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        call    interrupts_init
        gate    2, on_nmi
        print   "waiting for an NMI\n"
1:      in      al, POST
        cmp     dword ptr [rip + nmis], 0
        jne     2f
        dec     rbx
        jnz     1b
        print   "none came\n"
        exit_with NO_NMI
2:      print   "NMIs: "
        mov     eax, [rip + nmis]
        call    put_decimal
        print   "\n"
        power_off

# Until IRETQ no other NMI is taken, however long this lasts.
on_nmi:
        push    rax
        mov     eax, 20
1:      out     POST, al
        dec     eax
        jnz     1b
        inc     dword ptr [rip + nmis]
        pop     rax
        iretq

        .bss
        .balign 4
nmis:   .skip   4
