# A multiboot kernel that goes through every mode: 32 bits, 64 bits, 32-bit user code under them, 64, 32, 16-bit
# protected mode, real mode, 32 bits; in each it counts to three. It ends with 0 at the debug-exit port.
        .intel_syntax noprefix
        .globl  start, start64, user32, on_interrupt, leave64, protected16, real16, back32
        .globl  count32, count64, countuser, count16, counter32, counter64, counteruser, counter16, wide

        .set    CODE64, 0x08
        .set    DATA, 0x10
        .set    CODE32, 0x18
        .set    CODE16, 0x20
        .set    DATA16, 0x28
        .set    USERCODE, 0x30 + 3
        .set    USERDATA, 0x38 + 3
        .set    TASK, 0x40
        .set    VECTOR, 0x40
        .set    MAGIC, 0x1badb002

        .section .text
        .code32
        .balign 4
        .long   MAGIC, 0, -MAGIC

start:  mov     esp, offset stack_end
        mov     ecx, 3
1:      call    count32
        loop    1b
        # Two MiB, mapped to themselves, for everybody.
        mov     dword ptr [pml4], offset pdpt + 7
        mov     dword ptr [pdpt], offset directory + 7
        mov     dword ptr [directory], 0x87
        mov     eax, offset pml4
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 0x20
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x100
        wrmsr
        lgdt    [gdt_pointer]
        mov     eax, cr0
        or      eax, 0x80000001
        mov     cr0, eax
        .byte   0xea                    # jmp CODE64:start64
        .long   start64
        .word   CODE64

count32:
        inc     dword ptr [counter32]
        ret

        .code64
start64:
        mov     eax, DATA
        mov     ss, eax
        mov     ds, eax
        mov     es, eax
        mov     r8, 0x123456789abcdef0
        mov     ecx, 3
1:      call    count64
        loop    1b
        mov     eax, offset on_interrupt
        mov     word ptr [rip + idt + 16 * VECTOR], ax
        shr     eax, 16
        mov     word ptr [rip + idt + 16 * VECTOR + 6], ax
        lidt    [rip + idt_pointer]
        mov     eax, offset task
        mov     word ptr [rip + gdt + TASK + 2], ax
        shr     eax, 16
        mov     byte ptr [rip + gdt + TASK + 4], al
        mov     eax, TASK
        ltr     ax
        push    USERDATA
        mov     eax, offset user_stack_end
        push    rax
        push    2
        push    USERCODE
        mov     eax, offset user32
        push    rax
        iretq

count64:
        inc     dword ptr [rip + counter64]
        ret

on_interrupt:
        call    count64
        push    CODE32
        mov     eax, offset leave64
        push    rax
        rex.w retf

        .code32
user32: mov     eax, USERDATA
        mov     ds, eax
        mov     ecx, 3
1:      call    countuser
        loop    1b
        int     VECTOR

countuser:
        push    ebp
        mov     ebp, esp
        inc     dword ptr [counteruser]
        pop     ebp
        ret

leave64:
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, offset stack_end
        mov     eax, cr0
        and     eax, 0x7fffffff
        mov     cr0, eax
        mov     ecx, 0xc0000080
        rdmsr
        and     eax, ~0x100
        wrmsr
        call    count32
        mov     esi, offset real_image
        mov     edi, offset real_start
        mov     ecx, offset real_size
        rep movsb
        .byte   0xea                    # jmp CODE16:protected16
        .long   protected16
        .word   CODE16

back32: mov     eax, DATA
        mov     ds, eax
        mov     ss, eax
        mov     esp, offset stack_end
        call    count32
        xor     eax, eax
        mov     edx, 0xf4
        out     dx, al
        hlt

        # Linked for where it is copied to, below 64 KiB.
        .section .real, "awx"
        .code16
protected16:
        mov     ax, DATA16
        mov     ds, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xfe
        mov     cr0, eax
        .byte   0xea                    # jmp 0x0800:real16 - 0x8000
        .word   real16 - real_section
        .word   0x0800
real_section = protected16

real16: mov     ax, cs
        mov     ds, ax
        xor     ax, ax
        mov     ss, ax
        mov     sp, 0x7000
        mov     cx, 3
1:      call    count16
        loop    1b
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        .byte   0x66, 0xea              # jmp CODE32:back32
        .long   back32
        .word   CODE32

count16:
        inc     word ptr [counter16 - real_section]
        mov     ax, 0xabcd
        ret
counter16:
        .word   0

        .data
wide:   .quad   0x1122334455667788
counter32:
        .long   0
counter64:
        .long   0
counteruser:
        .long   0
        .balign 8
gdt:    .quad   0
        .quad   0x00af9a000000ffff      # 64-bit code
        .quad   0x00cf92000000ffff      # data
        .quad   0x00cf9a000000ffff      # 32-bit code
        .quad   0x00009a000000ffff      # 16-bit code
        .quad   0x000092000000ffff      # 16-bit data
        .quad   0x00cffa000000ffff      # user's 32-bit code
        .quad   0x00cff2000000ffff      # user's data
        .quad   0x0000890000000067, 0   # 64-bit task state
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt, 0
idt:    .skip   16 * VECTOR
        # A 64-bit interrupt gate, for everybody; start64 writes the handler's address.
        .word   0, CODE64, 0xee00, 0
        .quad   0
idt_pointer:
        .word   idt_pointer - idt - 1
        .long   idt, 0
        .balign 8
task:   .long   0
        .long   stack_end, 0            # the stack of interrupts
        .skip   0x68 - 12

        .bss
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
directory:
        .skip   4096
        .skip   4096
stack_end:
        .skip   4096
user_stack_end:
