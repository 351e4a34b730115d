# What protected mode does beyond 64-bit code: exceptions and their frames in 16- and 32-bit code, stack switches by the
# task-state segment, call gates, virtual-8086 mode, SYSENTER, TF, RF, breakpoints, paging with 4 MiB pages and PAE, WP,
# SMEP and SMAP. What QEMU does not do is left out: limits and types of segments, general detection, P in the error code
# of a fault by a reserved bit. Each step prints its name and what the handlers saw to port e9; protected.expected is what QEMU's CPU
# (-accel tcg -cpu max) printed. A multiboot image; how it is made and run: ProtectedModeTests.swift.
        .intel_syntax noprefix
        .code32

        .equ    KCODE, 0x08
        .equ    KDATA, 0x10
        .equ    UCODE, 0x1b
        .equ    UDATA, 0x23
        .equ    TSS, 0x28
        .equ    ABSENT, 0x30            # data, not present
        .equ    SHORT, 0x38             # data, limit fff
        .equ    GATE, 0x43              # call gate for ring 3, two parameters
        .equ    GATE0, 0x48             # call gate for ring 0
        .equ    GATEABSENT, 0x53
        .equ    CONFORMING, 0x58
        .equ    CODE16, 0x60
        .equ    DATA16, 0x68
        .equ    EXPANDDOWN, 0x70        # offsets from 10000 on
        .equ    GATE16, 0x7b
        .equ    READONLY, 0x80

        .text
        .balign 4
        .long   0x1badb002, 0, -0x1badb002

# Prints a name, then runs on.
        .macro  step text
        .section .rodata
77:     .asciz  "\text"
        .text
        push    offset 77b
        call    print_text
        .endm

# Handlers go to 9f below with the stack as it is here.
        .macro  expect
        mov     [saved_esp], esp
        mov     dword ptr [resume], offset 9f
        .endm

        .macro  arrive
9:      call    recovered
        .endm

# Goes to ring 3 at a label, with the flags.
        .macro  to_user label, flags=2
        mov     eax, UDATA
        mov     ds, ax
        mov     es, ax
        push    UDATA
        push    offset user_stack
        push    \flags
        push    UCODE
        push    offset \label
        iretd
        .endm

        .globl  start
start:
        lgdt    [gdt_pointer]
        mov     esp, offset kernel_stack
        mov     eax, KDATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        xor     eax, eax
        mov     fs, ax
        mov     gs, ax
        ljmp    KCODE:1f
1:      mov     al, 0xff                # no interrupts from the board
        out     0x21, al
        out     0xa1, al
        call    fill_tables
        call    make_idt
        lidt    [idt_pointer]
        mov     eax, TSS
        ltr     ax

        step    "ud"
        expect
        xor     eax, eax
        ud2
        arrive
        step    "divide"
        expect
        xor     eax, eax
        xor     ecx, ecx
        xor     edx, edx
        div     ecx
        arrive
        step    "selector beyond the table"
        expect
        mov     eax, 0x1234
        xor     ecx, ecx
        mov     ds, ax
        arrive
        step    "absent data segment"
        expect
        mov     eax, ABSENT
        xor     ecx, ecx
        mov     ds, ax
        arrive
        step    "absent stack segment"
        expect
        mov     eax, ABSENT
        xor     ecx, ecx
        mov     ss, ax
        arrive
        step    "null stack segment"
        expect
        xor     eax, eax
        mov     ss, ax
        arrive
        step    "bound and overflow"
        expect
        mov     eax, 5
        xor     ecx, ecx
        bound   eax, [bounds]
        arrive
        expect
        mov     al, 0x7f
        inc     al
        into
        arrive
        step    "int3"
        expect
        xor     eax, eax
        int3
        arrive
        step    "absent gate"
        expect
        xor     eax, eax
        int     0x32
        arrive
        step    "beyond the interrupt table"
        expect
        xor     eax, eax
        int     0x60
        arrive

        step    "far jump to a data segment"
        expect
        xor     eax, eax
        ljmp    KDATA:0
        arrive
        step    "lock without memory"
        expect
        xor     eax, eax
        .byte   0xf0, 0x01, 0xc0
        arrive

# Ring 3.
        step    "ring 3: hlt"
        expect
        to_user user_hlt
        arrive
        step    "ring 3: kernel data"
        expect
        to_user user_data
        arrive
        step    "ring 3: gate for ring 0"
        expect
        to_user user_int
        arrive
        step    "ring 3: gate for ring 3"
        expect
        to_user user_int3
        arrive
        step    "ring 3: port"
        expect
        to_user user_port
        arrive
        step    "ring 3: port by the bitmap"
        expect
        to_user user_port_allowed
        arrive
        step    "ring 3: popf"
        expect
        to_user user_popf, 0x1202
        arrive
        step    "ring 3: segments on the way out"
        mov     eax, KDATA
        mov     fs, ax
        expect
        to_user user_segments
        arrive
        step    "iret to a bad stack"
        expect
        push    KDATA
        push    offset user_stack
        push    2
        push    UCODE
        push    offset user_hlt
        xor     eax, eax
        iretd
        arrive

# Call gates.
        step    "call gate"
        expect
        to_user user_gate
        arrive
        step    "call gate for ring 0 from ring 3"
        expect
        to_user user_gate0
        arrive
        step    "absent call gate"
        expect
        to_user user_gate_absent
        arrive
        step    "call gate from ring 0"
        expect
        lcall   GATE:0
        arrive
        step    "16-bit call gate"
        expect
        to_user user_gate16
        arrive
        step    "conforming code"
        expect
        to_user user_conforming
        arrive

# 16-bit code.
        step    "16-bit code"
        expect
        mov     esi, offset code16
        mov     edi, 0x5000
        mov     ecx, 64
        rep     movsb
        xor     eax, eax
        ljmp    CODE16:0x5000
        arrive
        step    "16-bit interrupt gate"
        expect
        xor     eax, eax
        int     0x33
        arrive

# SYSENTER and SYSEXIT.
        step    "sysenter"
        mov     ecx, 0x174
        mov     eax, KCODE
        xor     edx, edx
        wrmsr
        inc     ecx
        mov     eax, offset kernel_stack - 2048
        wrmsr
        inc     ecx
        mov     eax, offset on_sysenter
        wrmsr
        expect
        to_user user_sysenter
        arrive

# Virtual-8086 mode.
        step    "vm86: int with IOPL 0"
        call    copy_vm86
        expect
        push    0x555                   # GS, FS, DS, ES
        push    0x444
        push    0x333
        push    0x222
        push    0x900                   # SS
        push    0xff0
        push    0x20002
        push    0x800                   # CS
        push    0
        iretd
        arrive
        step    "vm86: int with IOPL 3"
        expect
        push    0x555
        push    0x444
        push    0x333
        push    0x222
        push    0x900
        push    0xff0
        push    0x23002
        push    0x800
        push    0
        iretd
        arrive
        step    "vm86: hlt"
        expect
        push    0
        push    0
        push    0
        push    0
        push    0x900
        push    0xff0
        push    0x23002
        push    0x800
        push    offset vm86_hlt - vm86_code
        iretd
        arrive

# Single steps and breakpoints.
        step    "single step"
        mov     dword ptr [resume], 0
        xor     eax, eax
        push    0x102
        popfd
        nop
        xor     eax, eax
        push    2
        popfd
        step    "single step over a load of SS"
        mov     eax, KDATA
        push    0x102
        popfd
        mov     ss, ax
        nop
        nop
        push    2
        popfd
        step    "single step through REP"
        mov     ecx, 3
        mov     esi, offset scratch
        mov     edi, offset scratch + 16
        xor     eax, eax
        push    0x102
        popfd
        rep     movsb
        push    2
        popfd
        step    "single step into an interrupt"
        xor     eax, eax
        push    0x102
        popfd
        int     0x31
        nop
        push    2
        popfd
        step    "instruction breakpoint"
        mov     eax, offset break_here
        mov     dr0, eax
        mov     eax, 0x402
        mov     dr7, eax
        xor     eax, eax
break_here:
        nop
        nop
        step    "write breakpoint"
        mov     eax, offset scratch + 4
        mov     dr1, eax
        mov     eax, 0xd00408           # DR1: writes, 4 bytes
        mov     dr7, eax
        xor     eax, eax
        mov     eax, [scratch + 4]
        xor     eax, eax
        mov     [scratch + 7], al
        mov     [scratch + 8], al
        mov     [scratch + 2], ax
        mov     [scratch + 2], eax
        step    "access breakpoint"
        mov     eax, 0xf00408
        mov     dr7, eax
        xor     eax, eax
        mov     al, [scratch + 5]
        xor     eax, eax
        xor     eax, eax
        mov     dr7, eax

# Paging.
        step    "paging with 4 MiB pages"
        mov     eax, cr4
        or      eax, 0x10
        mov     cr4, eax
        mov     edi, offset directory
        mov     dword ptr [edi], 0x87   # 0: user, 4 MiB
        mov     dword ptr [edi + 4], offset table + 7
        mov     eax, offset scratch
        and     eax, 0xfffff000
        lea     edx, [eax + 7]
        mov     [table], edx            # 400000: user, writable
        lea     edx, [eax + 5]
        mov     [table + 4], edx        # 401000: user, read-only
        lea     edx, [eax + 3]
        mov     [table + 8], edx        # 402000: supervisor
        mov     dword ptr [table + 12], 0
        mov     cr3, edi
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        call    page_faults
        step    "write protection"
        mov     eax, cr0
        or      eax, 0x10000
        mov     cr0, eax
        expect
        xor     eax, eax
        mov     [0x401000], eax
        arrive
        step    "accessed and dirty"
        mov     eax, [directory]
        and     eax, 0xfff
        call    print_eax
        mov     eax, [directory + 4]
        and     eax, 0xfff
        call    print_eax
        mov     eax, [table]
        and     eax, 0xfff
        call    print_eax
        mov     eax, [table + 4]
        and     eax, 0xfff
        call    print_eax
        mov     eax, [table + 8]
        and     eax, 0xfff
        call    print_eax

        step    "PAE"
        mov     eax, cr0
        and     eax, 0x7ffeffff
        mov     cr0, eax
        mov     eax, cr4
        or      eax, 0x20
        mov     cr4, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 0x800              # NXE
        wrmsr
        mov     edi, offset directory
        mov     ecx, 2048
        xor     eax, eax
        rep     stosd
        mov     dword ptr [pointers], offset directory + 1
        mov     edi, offset directory
        mov     dword ptr [edi], 0x87   # 0: user, 2 MiB
        mov     dword ptr [edi + 16], offset table + 7      # 400000
        mov     dword ptr [edi + 24], 0x600087
        mov     dword ptr [edi + 28], 0x80000000            # 600000: not executable
        mov     eax, offset scratch
        and     eax, 0xfffff000
        lea     edx, [eax + 7]
        mov     [table], edx
        lea     edx, [eax + 5]
        mov     [table + 8], edx
        lea     edx, [eax + 3]
        mov     [table + 16], edx
        mov     eax, offset pointers
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        call    page_faults
        step    "not executable"
        expect
        xor     eax, eax
        mov     ecx, 0x600000
        jmp     ecx
        arrive
        step    "SMEP"
        mov     byte ptr [scratch], 0xc3
        mov     dword ptr [directory], 0x83     # the kernel is the supervisor's now
        mov     eax, offset pointers
        mov     cr3, eax
        mov     eax, cr4
        or      eax, 0x100000
        mov     cr4, eax
        expect
        xor     eax, eax
        mov     ecx, 0x400000
        jmp     ecx
        arrive
        step    "SMAP"
        mov     eax, cr4
        or      eax, 0x200000
        mov     cr4, eax
        expect
        xor     eax, eax
        mov     eax, [0x400000]
        arrive
        expect
        xor     eax, eax
        mov     [0x400000], eax
        arrive
        stac
        mov     eax, [0x400000]
        clac
        step    "end"
        mov     al, 0
        out     0xf4, al
1:      hlt
        jmp     1b

# Page faults of the supervisor and of user code, by the pages from 400000 on.
page_faults:
        expect
        xor     eax, eax
        mov     eax, [0x403004]
        arrive
        expect
        xor     eax, eax
        mov     [0x403008], eax
        arrive
        mov     [0x401000], eax         # WP is clear (or the page below it faults)
        expect
        to_user user_write_page
        arrive
        expect
        to_user user_write_protected
        arrive
        expect
        to_user user_read_supervisor
        arrive
        expect
        to_user user_read_absent
        arrive
        ret

# What user code does.
user_hlt:
        xor     eax, eax
        hlt
user_data:
        mov     eax, KDATA
        xor     ecx, ecx
        mov     ds, ax
user_int:
        xor     eax, eax
        int     0x30
user_int3:
        xor     eax, eax
        int     0x31
user_port:
        xor     eax, eax
        in      al, 0x61
user_port_allowed:
        mov     edx, 0x80
        mov     al, 1
        out     dx, al                  # the bitmap lets this pass
        xor     eax, eax
        out     dx, ax                  # and not this
user_popf:
        push    0x3ed7
        popfd
        pushfd
        pop     ebx
        xor     eax, eax
        ud2
user_segments:
        mov     ebx, fs
        xor     eax, eax
        ud2
user_gate:
        push    0x11111111
        push    0x22222222
        xor     eax, eax
        lcall   GATE:0
        xor     eax, eax
        ud2
user_gate0:
        xor     eax, eax
        lcall   GATE0:0
user_gate_absent:
        xor     eax, eax
        lcall   GATEABSENT:0
user_gate16:
        push    0x33334444
        xor     eax, eax
        lcall   GATE16:0
        ud2
user_conforming:
        lcall   CONFORMING + 3:in_conforming
in_conforming:
        mov     ebx, cs
        xor     eax, eax
        ud2
user_sysenter:
        xor     eax, eax
        sysenter
after_sysexit:
        xor     eax, eax
        ud2
on_sysenter:
        push    esp
        call    print_top
        mov     eax, cs
        call    print_eax
        mov     eax, ss
        call    print_eax
        mov     edx, offset after_sysexit
        mov     ecx, offset user_stack - 64
        sysexit
user_write_page:
        xor     eax, eax
        mov     [0x400000], eax
        xor     eax, eax
        ud2
user_write_protected:
        xor     eax, eax
        mov     [0x401004], eax
user_read_supervisor:
        xor     eax, eax
        mov     eax, [0x402000]
user_read_absent:
        xor     eax, eax
        mov     eax, [0x403000]

# Behind the call gates: the frame.
gate_target:
        mov     ecx, 6
        lea     esi, [esp]
1:      lodsd
        call    print_eax
        loop    1b
        lret    8
gate16_target:
        mov     ecx, 5
        lea     esi, [esp]
        xor     eax, eax
1:      lodsw
        call    print_eax
        loop    1b
        ud2

        .code16
code16:
        push    0x1234
        pushd   0x12345678
        mov     ebx, esp
        mov     ax, DATA16
        mov     ss, ax
        mov     esp, 0x800
        push    0x1111
        pop     cx
        mov     edx, esp
        xor     eax, eax
        ud2
        .code32

vm86_code:
        .byte   0xb8, 0x34, 0x12        # mov ax, 1234
        .byte   0x31, 0xdb              # xor bx, bx
        .byte   0xcd, 0x31              # int 31
vm86_hlt:
        .byte   0x31, 0xdb
        .byte   0xf4
vm86_end:

copy_vm86:
        mov     esi, offset vm86_code
        mov     edi, 0x8000
        mov     ecx, vm86_end - vm86_code
        rep     movsb
        ret

# The handlers' common part: vector and error code are on the stack.
common:
        cld
        pushad
        push    ds
        push    es
        mov     eax, KDATA
        mov     ds, ax
        mov     es, ax
        lea     esi, [esp + 40]
        mov     al, ' '
        out     0xe9, al
        lodsd                           # vector
        mov     ebx, eax
        call    print_eax
        lodsd                           # error code
        call    print_eax
        and     dword ptr [esi + 8], 0xfffeffff # RF, which QEMU does not push
        mov     ecx, 3                  # EIP, CS, EFLAGS
        mov     edx, [esi + 8]
        test    edx, 0x20000
        jz      1f
        mov     ecx, 9
        jmp     2f
1:      test    byte ptr [esi + 4], 3
        jz      2f
        mov     ecx, 5
2:      lodsd
        call    print_eax
        loop    2b
        cmp     ebx, 14
        jne     3f
        mov     eax, cr2
        call    print_eax
3:      cmp     ebx, 1
        jne     4f
        mov     eax, dr6
        call    print_eax
        xor     eax, eax
        mov     dr6, eax
        or      dword ptr [esp + 40 + 16], 0x10000      # RF
4:      mov     eax, [esp + 24]         # EBX
        call    print_eax
        mov     eax, esp
        call    print_eax
        call    new_line
        cmp     dword ptr [resume], 0
        je      5f
        mov     eax, KDATA
        mov     ss, ax
        mov     esp, [saved_esp]
        jmp     [resume]
5:      pop     es
        pop     ds
        popad
        add     esp, 8
        iretd

recovered:
        mov     eax, KDATA
        mov     ds, ax
        mov     es, ax
        ret

print_text:
        push    eax
        push    esi
        mov     esi, [esp + 12]
1:      lodsb
        test    al, al
        jz      2f
        out     0xe9, al
        jmp     1b
2:      call    new_line
        pop     esi
        pop     eax
        ret     4

print_top:
        mov     eax, [esp + 4]
        call    print_eax
        ret     4

print_eax:
        pushad
        mov     edx, eax
        mov     ecx, 8
1:      rol     edx, 4
        mov     al, dl
        and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     2f
        add     al, 39
2:      out     0xe9, al
        loop    1b
        mov     al, ' '
        out     0xe9, al
        popad
        ret

new_line:
        push    eax
        mov     al, 10
        out     0xe9, al
        pop     eax
        ret

# Interrupt gates: 0 to 2f for ring 0, 3, 4 and 31 for all; 32 absent; 33 of 16 bits.
make_idt:
        mov     edi, offset idt
        mov     edx, offset stubs
        xor     ecx, ecx
1:      mov     eax, edx
        and     eax, 0xffff
        or      eax, KCODE << 16
        stosd
        mov     eax, edx
        and     eax, 0xffff0000
        or      eax, 0x8e00
        cmp     ecx, 3
        je      2f
        cmp     ecx, 4
        je      2f
        cmp     ecx, 0x31
        jne     3f
2:      or      eax, 0x6000
3:      cmp     ecx, 0x32
        jne     4f
        and     eax, 0xffff7fff
4:      stosd
        add     edx, 16
        inc     ecx
        cmp     ecx, 0x34
        jb      1b
        mov     word ptr [idt + 0x33 * 8], 0x7000
        mov     word ptr [idt + 0x33 * 8 + 2], KCODE
        mov     word ptr [idt + 0x33 * 8 + 4], 0x8600
        mov     word ptr [idt + 0x33 * 8 + 6], 0
        ret

# The task-state segment, the gates, and the jumps below 64 KiB that 16-bit gates lead to.
fill_tables:
        mov     eax, offset tss
        mov     [gdt + TSS + 2], ax
        shr     eax, 16
        mov     [gdt + TSS + 4], al
        mov     [gdt + TSS + 7], ah
        mov     dword ptr [tss + 4], offset kernel_stack - 1024
        mov     dword ptr [tss + 8], KDATA
        mov     word ptr [tss + 0x66], 0x68
        mov     edi, offset tss + 0x68
        mov     ecx, 33
        mov     al, 0xff
        rep     stosb
        mov     byte ptr [tss + 0x68 + 0x10], 0xfe      # port 80
        mov     ebx, offset gdt + 0x40
        mov     edx, offset gate_target
        mov     ecx, 0xec02             # for ring 3, two parameters
        call    make_gate
        mov     ecx, 0x8c02
        call    make_gate
        mov     ecx, 0x6c02
        call    make_gate
        mov     ebx, offset gdt + 0x78
        mov     edx, 0x6000
        mov     ecx, 0xe401             # 16 bits, one parameter
        call    make_gate
        mov     byte ptr [0x6000], 0xea
        mov     dword ptr [0x6001], offset gate16_target
        mov     word ptr [0x6005], KCODE
        mov     byte ptr [0x7000], 0xea
        mov     dword ptr [0x7001], offset on_int33
        mov     word ptr [0x7005], KCODE
        ret

make_gate:
        mov     [ebx], dx
        mov     word ptr [ebx + 2], KCODE
        mov     [ebx + 4], cx
        mov     eax, edx
        shr     eax, 16
        mov     [ebx + 6], ax
        add     ebx, 8
        ret

# The frame of a 16-bit gate: IP, CS, FLAGS.
on_int33:
        mov     ecx, 3
        lea     esi, [esp]
        xor     eax, eax
1:      lodsw
        call    print_eax
        loop    1b
        mov     esp, [saved_esp]
        jmp     [resume]

        .balign 16
stubs:
        vector = 0
        .rept   0x34
        .balign 16
        .if     vector == 8 || (vector >= 10 && vector <= 14) || vector == 17
        .else
        .byte   0x6a, 0                 # push 0
        .endif
        .byte   0x6a, vector            # push vector
        jmp     common
        vector = vector + 1
        .endr

        .data
        .balign 16
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        .quad   0x0000890000000089      # its base is filled in
        .quad   0x00cf13000000ffff, 0x0040930000000fff
        .quad   0, 0, 0                 # gates, filled in below
        .quad   0x00cf9f000000ffff, 0x000f9b000000ffff, 0x0000930000000fff
        .quad   0x00cf97000000000f, 0, 0x00cf91000000ffff
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
idt_pointer:
        .word   0x34 * 8 - 1
        .long   idt
bounds: .long   0, 4
resume: .long   0
saved_esp: .long 0

        .bss
        .balign 4096
directory:
        .skip   4096
table:  .skip   4096
scratch:
        .skip   4096
pointers:
        .skip   64
tss:    .skip   0x90
idt:    .skip   0x34 * 8
        .balign 16
        .skip   8192
user_stack:
        .skip   8192
kernel_stack:
        .skip   64
