# N steps (100000) of a map of the interval, x <- 4x(1-x), with its sum, root and mean, in the x87's extended precision:
# what `Tools/bench --micro` times as x87 arithmetic.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        mov     [rip + steps], rax
        call    serial_init
        fninit
        xor     ebp, ebp                # how often it was above a half
        fldz                            # the sum
        fld     qword ptr [rip + x]
1:      fld1
        fsub    st, st(1)
        fmulp   st(1), st
        fmul    dword ptr [rip + four]
        fld     st(0)
        fsqrt
        faddp   st(2), st
        fld     qword ptr [rip + half]
        fcomip  st, st(1)
        jae     2f
        inc     ebp
2:      fst     qword ptr [rip + last]
        dec     rbx
        jnz     1b
        fxch
        fild    qword ptr [rip + steps]
        fdivp   st(1), st
        fstp    qword ptr [rip + x]
        mov     rax, [rip + x]
        call    put_hex
        print   " "
        mov     rax, [rip + last]
        call    put_hex
        print   " "
        mov     eax, ebp
        call    put_hex
        print   "\n"
        power_off

        .balign 4096                    # apart from the code, which stores nearby would be looked at for
x:      .double 0.3
half:   .double 0.5
last:   .double 0
steps:  .quad   0
four:   .float  4.0
