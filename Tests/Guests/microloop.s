# N steps (100000) of a xorshift generator in registers: what `Tools/bench --micro` times as a loop.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        mov     rax, 88172645463325252  # the state of the generator
1:      mov     rcx, rax
        shl     rcx, 13
        xor     rax, rcx
        mov     rcx, rax
        shr     rcx, 7
        xor     rax, rcx
        mov     rcx, rax
        shl     rcx, 17
        xor     rax, rcx
        dec     rbx
        jnz     1b
        call    put_hex
        print   "\n"
        power_off
