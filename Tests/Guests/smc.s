# Changes code that it then runs: the number that an instruction holds, an instruction further on in the same
# straight line, and a whole routine written anew, each some hundred times. Ends with status 3 (code 1) when stale
# code ran.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    STALE_CODE, 1
        .equ    ROUNDS, 500

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        print   "changing code\n"

# A routine whose constant is changed before each call.
        mov     ebx, ROUNDS
        xor     ebp, ebp                # the sum of what it returned
1:      mov     [rip + constant - 4], ebx
        in      al, POST                # an event for each change
        call    return_constant
        add     rbp, rax
        dec     ebx
        jnz     1b
        cmp     ebp, ROUNDS * (ROUNDS + 1) / 2
        jne     stale

# The next instruction but one of the same block.
        mov     ebx, ROUNDS
1:      mov     [rip + ahead - 4], ebx
        nop
        mov     eax, 0x11111111
ahead:  cmp     eax, ebx
        jne     stale
        dec     ebx
        jnz     1b

# Code written byte by byte on a page of its own: mov eax, n; ret, at a place that moves.
        mov     ebx, ROUNDS
1:      lea     rdi, [rip + page]
        mov     eax, ebx
        and     eax, 63
        lea     rdi, [rdi + rax * 8]
        mov     rdx, rdi
        mov     al, 0xb8                # mov eax, imm32
        stosb
        mov     eax, ebx
        stosd
        mov     al, 0xc3                # ret
        stosb
        call    rdx
        cmp     eax, ebx
        jne     stale
        dec     ebx
        jnz     1b

        print   "all changes took effect\n"
        power_off
stale:
        print   "STALE CODE RAN\n"
        exit_with STALE_CODE

return_constant:
        mov     eax, 0x22222222
constant:
        ret

        .bss
        .balign 4096
page:   .skip   4096
