# A multiboot kernel with a 32-bit entry whose 64-bit code is linked for the upper half of the address space.
        .intel_syntax noprefix
        .globl  start, low64, kernel_main, increment, count
        .set    MAGIC, 0x1badb002
        .set    PML4, 0x110000
        .set    PDPT, 0x111000

        .section .boot, "ax"
        .code32
        .balign 4
        .long   MAGIC, 0, -MAGIC

start:  mov     esp, 0x180000
        mov     dword ptr [PML4], PDPT + 3
        mov     dword ptr [PML4 + 8 * 511], PDPT + 3
        mov     dword ptr [PDPT], 0x83
        mov     dword ptr [PDPT + 8 * 510], 0x83
        mov     eax, PML4
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 0x20
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x100
        wrmsr
        mov     eax, cr0
        or      eax, 0x80000001
        mov     cr0, eax
        lgdt    [gdt_pointer]
        .byte   0xea                    # jmp 8:low64
        .long   low64
        .word   8

        .code64
low64:  mov     rax, offset kernel_main
        jmp     rax
        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt

        .text
kernel_main:
        mov     rbx, 0x123456789abcdef0
        call    increment
        mov     edx, 0xf4
        xor     eax, eax
        out     dx, al
        hlt

increment:
        inc     qword ptr [rip + count]
        ret

        .data
count:  .quad   5
