# Instructions in kernel mode that some hosts' KVM cannot emulate (see `chronovisor doctor`): they need the software
# engine there. Prints the result of each.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    CR4_OSFXSR, 1 << 9

        .macro  result text
        push    rax
        print   "\text "
        pop     rax
        call    put_hex
        print   "\n"
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    3, on_breakpoint
        gate    0x80, on_call
        mov     rax, cr4
        or      eax, CR4_OSFXSR
        mov     cr4, rax
        print   "instructions that some hosts lack\n"

        mov     rbx, 0x123456789abcdef0
        popcnt  rax, rbx
        result  "popcnt"
        xor     eax, eax
        crc32   rax, rbx
        result  "crc32"

        movq    xmm0, rbx
        pshufd  xmm1, xmm0, 0x4e
        pxor    xmm1, xmm0
        paddq   xmm1, xmm1
        movq    rax, xmm1
        result  "sse2"

        fninit
        fld1
        fldpi
        faddp
        fstp    qword ptr [rip + scratch]
        mov     rax, [rip + scratch]
        result  "x87"

        mov     eax, 5
        int3
        result  "int3"
        mov     eax, 6
        int     0x80
        result  "int 0x80"
        power_off

on_breakpoint:
        add     eax, 100
        iretq
on_call:
        add     eax, 1000
        iretq

        .bss
        .balign 16
scratch:
        .skip   16
