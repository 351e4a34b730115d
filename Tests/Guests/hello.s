# Prints what the loader handed over, and powers off: the smallest guest.
        .include "machine.inc"

        .globl  start
start:
        mov     rbx, rdi                # bytes of RAM
        mov     rbp, rsi                # command line
        call    serial_init
        print   "hello from a 64-bit guest\n"
        mov     rax, rbx
        shr     rax, 20
        call    put_decimal
        print   " MiB of memory\n"
        cmp     byte ptr [rbp], 0
        je      1f
        print   "command line: "
        mov     rsi, rbp
        call    put_string
        print   "\n"
1:      power_off
