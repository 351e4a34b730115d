# Conditional branches in a code segment whose limit is below 4 GiB. Prints G to port e9 for each that is taken, X for
# one that is not: GGGGG. A multiboot image; how it is made and run: SegmentLimitTests.swift.
        .intel_syntax noprefix
        .code32
head:   .long 0x1badb002, 0, 0 - 0x1badb002     # multiboot 1
        .macro result
        mov al, 'X'
        jmp 8f
9:      mov al, 'G'
8:      out 0xe9, al
        .endm
        .globl start
start:  lgdt [gdtp]
        .byte 0xea
        .long limited - head
        .word 8
limited:
        stc
        jc 9f
        result
        xor eax, eax
        jz 9f
        result
        cmp al, 0xff
        jb 9f
        result
        or al, 1
        .byte 0x0f, 0x85                        # JNZ rel32
        .long 9f - . - 4
        result
        clc
        jnc 9f
        result
        mov dx, 0x604
        mov ax, 0x2000
        out dx, ax
        hlt
        .balign 8
gdt:    .quad 0, 0x00409b100000ffff             # 32-bit code, base 0x100000, limit 0xffff
gdtp:   .word 15
        .long gdt
