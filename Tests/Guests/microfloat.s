# N steps (100000) of a map of the interval, x <- 4x(1-x), with its sum, root and mean, in double precision: what
# `Tools/bench --micro` times as floating point.
        .include "machine.inc"

        .equ    CR4_OSFXSR, 1 << 9

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        mov     r12, rax
        call    serial_init
        mov     rax, cr4
        or      eax, CR4_OSFXSR
        mov     cr4, rax
        movsd   xmm0, [rip + x]
        movsd   xmm1, [rip + one]
        movsd   xmm2, [rip + four]
        xorps   xmm3, xmm3              # the sum
        xor     ebp, ebp                # how often it was above a half
1:      movapd  xmm4, xmm1
        subsd   xmm4, xmm0
        mulsd   xmm4, xmm0
        mulsd   xmm4, xmm2
        movapd  xmm0, xmm4
        sqrtsd  xmm5, xmm0
        addsd   xmm3, xmm5
        ucomisd xmm0, [rip + half]
        jbe     2f
        inc     ebp
2:      dec     rbx
        jnz     1b
        cvtsi2sd xmm6, r12
        divsd   xmm3, xmm6
        movq    rax, xmm3
        call    put_hex
        print   " "
        mov     eax, ebp
        call    put_hex
        print   "\n"
        power_off

        .balign 16
x:      .double 0.3
one:    .double 1.0
four:   .double 4.0
half:   .double 0.5
