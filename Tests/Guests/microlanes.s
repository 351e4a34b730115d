# N rounds (100000) over words and bytes as libraries go over them: bits are counted and searched, bytes are shuffled,
# compared and summed. What `Tools/bench --micro` times as x86-64-v2.
        .include "machine.inc"

        .equ    CR4_OSFXSR, 1 << 9

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        mov     rax, cr4
        or      eax, CR4_OSFXSR
        mov     cr4, rax
        movabs  r8, 0x9e3779b97f4a7c15
        xor     ebp, ebp                # a sum of all
        movdqa  xmm1, [rip + order]
        movdqa  xmm2, [rip + bytes]
        pxor    xmm3, xmm3
1:      crc32   rbp, rbx
        shld    r8, rbp, 7
        popcnt  rax, r8
        add     rbp, rax
        bsf     rcx, r8
        add     rbp, rcx
        bsr     rcx, r8
        xor     rbp, rcx
        movq    xmm4, r8
        pinsrq  xmm4, rbp, 1
        pshufb  xmm4, xmm1
        pminub  xmm2, xmm4
        pmaxud  xmm3, xmm4
        palignr xmm2, xmm4, 3
        pmovzxbw xmm5, xmm4
        pmulld  xmm5, xmm3
        pcmpeqb xmm4, xmm2
        pmovmskb edx, xmm4
        add     rbp, rdx
        ptest   xmm5, xmm2
        jz      2f
        inc     rbp
2:      pextrd  eax, xmm5, 2
        add     rbp, rax
        dec     rbx
        jnz     1b
        mov     rax, rbp
        call    put_hex
        print   "\n"
        power_off

        .balign 16
order:  .byte   15, 0, 13, 2, 11, 4, 9, 6, 7, 8, 5, 10, 3, 12, 1, 14
bytes:  .quad   0x0123456789abcdef, 0xfedcba9876543210
