# N times (100) the 15th Fibonacci number by recursion: what `Tools/bench --micro` times as calls.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 100
        call    parse_number
        mov     rbx, rax
        call    serial_init
        xor     ebp, ebp                # the sum
1:      mov     edi, 15
        call    fibonacci
        add     rbp, rax
        dec     rbx
        jnz     1b
        mov     rax, rbp
        call    put_hex
        print   "\n"
        power_off

# The rdi-th in rax.
fibonacci:
        cmp     rdi, 2
        jae     2f
        mov     rax, rdi
        ret
2:      push    rdi
        dec     rdi
        call    fibonacci
        pop     rdi
        push    rax
        sub     rdi, 2
        call    fibonacci
        pop     rcx
        add     rax, rcx
        ret
