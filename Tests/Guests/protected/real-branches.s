# Real mode, entered from multiboot's protected mode: CMP of equal values, then each conditional branch with 8 bits of
# displacement. Prints 1 for one that is taken, 0 for one that is not, as QEMU and KVM do: 0101101001100110.
# A multiboot image; how it is made and run: SegmentLimitTests.swift.
        .intel_syntax noprefix
        .code32
        .text
        .balign 4
        .long   0x1badb002, 0, -0x1badb002
        .globl start
start:  cli
        mov     esi, offset rm
        mov     edi, 0x8000
        mov     ecx, 0x1000
        cld
        rep     movsb
        lgdt    [gdtp]
        ljmp    8:0x8000
        .balign 8
gdt:    .quad 0, 0x00009b000000ffff, 0x000093000000ffff
gdtp:   .word 23
        .long gdt
rm:     .code16
        mov     ax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xfe
        mov     cr0, eax
        .byte   0xea
        .word   1f-rm+0x8000, 0
1:      xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7000
        mov     dx, 0x3f8
        .set cc, 0
        .rept 16
        xor     ecx, ecx
        xor     ebx, ebx
        cmp     ecx, ebx
        .byte   0x70+cc, 4
        mov     al, 48
        jmp     2f
        mov     al, 49
2:      out     dx, al
        .set cc, cc+1
        .endr
        mov     al, 10
        out     dx, al
        mov     al, 0
        out     0xf4, al
        hlt
rm_end:
