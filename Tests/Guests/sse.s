# SSE, SSE2 and x87 arithmetic in user mode, each result printed as it is in memory.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .equ    CR4_OSFXSR, 1 << 9
        .equ    CR4_OSXMMEXCPT, 1 << 10

        .macro  show what
        lea     rdi, [rip + 9990f]
        system_call 2
        mov     rdi, [rip + result]
        system_call 1
        mov     rdi, [rip + result + 8]
        system_call 1
        .pushsection .rodata
9990:   .asciz  "\what\n"
        .popsection
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        call    user_init
        mov     rax, cr4
        or      eax, CR4_OSFXSR | CR4_OSXMMEXCPT
        mov     cr4, rax
        enter_user arithmetic, user_stack_top

arithmetic:
        movaps  xmm0, [rip + singles]
        movaps  xmm1, [rip + singles + 16]
        mulps   xmm0, xmm1
        addps   xmm0, xmm1
        divps   xmm0, [rip + singles]
        movaps  [rip + result], xmm0
        show    "single"

        movapd  xmm2, [rip + doubles]
        sqrtpd  xmm3, xmm2
        mulpd   xmm3, xmm2
        subpd   xmm3, [rip + doubles + 16]
        movapd  [rip + result], xmm3
        show    "double"

        movdqa  xmm4, [rip + integers]
        paddd   xmm4, xmm4
        pshufd  xmm5, xmm4, 0x1b
        pmuludq xmm5, xmm4
        pxor    xmm5, [rip + singles]
        movdqa  [rip + result], xmm5
        show    "integer"

        cvtps2pd xmm6, [rip + singles]
        cvttpd2dq xmm7, xmm6
        cvtdq2ps xmm8, xmm7
        movaps  [rip + result], xmm8
        show    "converted"

# A thousand terms of the harmonic series, from the small end.
        mov     eax, 1000
        xorpd   xmm9, xmm9
        movsd   xmm10, [rip + one]
1:      cvtsi2sd xmm11, eax
        movsd   xmm12, xmm10
        divsd   xmm12, xmm11
        addsd   xmm9, xmm12
        dec     eax
        jnz     1b
        movapd  [rip + result], xmm9
        show    "harmonic"

        fninit
        fld     qword ptr [rip + doubles]
        fsqrt
        fldpi
        fmulp
        fld1
        faddp
        fstp    tbyte ptr [rip + result]
        mov     word ptr [rip + result + 10], 0
        mov     dword ptr [rip + result + 12], 0
        show    "extended"
        system_call 0

        .data
        .balign 16
singles:
        .float  1.5, -2.25, 3.0e10, 4.0e-5
        .float  0.1, 7.0, -1.0e-3, 123456.0
doubles:
        .double 2.0, 1.0e10
        .double 1.0, -3.5
integers:
        .long   1, 0x7fffffff, 0x12345678, 0xffffffff
one:    .double 1.0
        .bss
        .balign 16
result: .skip   16
