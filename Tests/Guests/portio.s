# Does nothing but port I/O: the bench's worst case. 20000 rounds of one write and one read, or as many as the
# command line says.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 20000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        print   "port i/o\n"
1:      mov     eax, ebx
        out     POST, al
        in      al, POST
        dec     rbx
        jnz     1b
        print   "done\n"
        power_off
