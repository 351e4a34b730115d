# The guest that an emulator runs random programs in: takes a program from memory when a byte comes from the serial
# line, loads its state, runs it, and answers with a byte when the state that it ended in is in memory.
#
# The memory is the host's, too: Tests/X86Tests/Fuzz/QEMUGuest.swift has the same addresses. Memory below 4 MiB, with
# tables and handlers, is the machine of the program.
  .intel_syntax noprefix
  .set IN, 0x1800000
  .set OUT, 0x1804000
  .set WINDOW, 0x1900000
  .set IMAGE, 0x2000000
  # NativeState
  .set RFLAGS, 128
  .set FX, 160
  .set AT_ES, 688
  .set AT_DS, 696
  .set AT_FS, 704
  .set AT_GS, 712
  .set AT_SS, 720
  .set AT_CS, 728
  # behind it
  .set MODE, 0x400
  .set LENGTH, 0x404
  .set TARGET, 0x408
  .set ENTRY, 0x40c
  .set AT_CR0, 0x410
  .set AT_CR4, 0x418
  .set AT_CR3, 0x420
  .set AT_CR8, 0x428
  # Six or ten bytes each.
  .set AT_GDTR, 0x430
  .set AT_IDTR, 0x440
  .set AT_LDTR, 0x450
  .set AT_TR, 0x458
  # DR0 to DR3, DR6, DR7.
  .set AT_DR, 0x460
  # Where what the program can reach lies, and how many bytes at WINDOW are to be copied there.
  .set AT_WINDOW, 0x490
  .set WINDOW_LENGTH, 0x494
  # How many model-specific registers; then a number and a value of 64 bits for each, 16 bytes.
  .set AT_COUNT, 0x4f8
  .set AT_MSR, 0x500
  .set VECTOR, 0x400
  .set FINISHED, 0x404
  .set CODE, 0x800
  # Low memory. Translators mind stores to pages that hold code: data has one of its own.
  .set SCRATCH, 0x9400
  .set LOW, 0x8000
  .set KERNEL_STACK, 0x7000
  # Of the program's machine; busy since it is loaded.
  .set TASK_TYPE, 0x5000 + 0x28 + 5
  .set TASK64_TYPE, 0x5000 + 0x40 + 5
  # Tables that map all of this, and the upper half of the program's machine.
  .set TABLES, 0x1700000
  .set CLEAN_CR0, 0x33
  .set CLEAN_CR4, 0x40600
  .set STACK, 0x17ff000

  .text
  .long 0x1badb002, 3, -(0x1badb002 + 3)
  # Where handlers go on: those of flat code, of 64-bit code.
  .long common32, LOW + common64 - low_begin
  .globl start
start:
  lgdt [gdt_pointer]
  ljmp 8, OFFSET 1f
1:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov esp, STACK
  # OSFXSR, OSXMMEXCPT, OSXSAVE; XCR0: x87 and SSE.
  mov eax, 0x40600
  mov cr4, eax
  xor ecx, ecx
  xor edx, edx
  mov eax, 3
  xsetbv
  mov eax, 0x33
  mov cr0, eax
  mov ax, 0x28
  ltr ax
  mov eax, OFFSET serial
  mov [serial_gate], ax
  shr eax, 16
  mov [serial_gate + 6], ax
  # Interrupt controllers: vectors from 0x20 on, only the serial line; the UART with interrupts for received bytes.
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x20
  out 0x21, al
  mov al, 0x28
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, 0xff
  out 0xa1, al
  mov al, 0xef
  out 0x21, al
  mov dx, 0x3f9
  mov al, 1
  out dx, al
  mov dx, 0x3fc
  mov al, 8
  out dx, al
answer:
  mov dx, 0x3f8
  mov al, '.'
  out dx, al
wait:
  lidt [idt_pointer]
  sti
  hlt
  jmp wait

# A byte has come: L loads low memory, R runs a program, Q ends it all.
serial:
  mov esp, STACK
  mov al, 0x20
  out 0x20, al
  mov dx, 0x3f8
  in al, dx
  cld
  cmp al, 'R'
  je run
  cmp al, 'L'
  je load
  mov al, 0
  out 0xf4, al
load:
  mov esi, IMAGE
  xor edi, edi
  mov ecx, 0xa0000 / 4
  rep movsd
  mov esi, IMAGE + 0x100000
  mov edi, 0x100000
  mov ecx, 0x300000 / 4
  rep movsd
  mov esi, OFFSET low_begin
  mov edi, LOW
  mov ecx, OFFSET low_end - low_begin
  rep movsb
  jmp answer

run:
  mov esi, IMAGE + 0x2000
  mov edi, 0x2000
  mov ecx, 0x800
  rep movsd
  mov esi, IMAGE + 0x5000
  mov edi, 0x5000
  mov ecx, 0x400
  rep movsd
  # All of the program's page, of which no other program's bytes are to be left.
  mov edi, [IN + TARGET]
  and edi, 0xfffff000
  mov ecx, 0x400
  xor eax, eax
  rep stosd
  mov esi, IN + CODE
  mov edi, [IN + TARGET]
  mov ecx, [IN + LENGTH]
  rep movsb
  mov esi, WINDOW
  mov edi, [IN + AT_WINDOW]
  mov ecx, [IN + WINDOW_LENGTH]
  shr ecx, 2
  rep movsd
  fxrstor [IN + FX]
  xor ecx, ecx
  xor edx, edx
  mov eax, 3
  xsetbv
  xor eax, eax
  mov cr2, eax
  # In low memory from SCRATCH on: the registers; from 0x90 on the selectors; from 0x100 on what follows IN + MODE.
  mov esi, IN
  mov edi, SCRATCH
  mov ecx, 34
  rep movsd
  mov esi, IN + AT_ES
  mov edi, SCRATCH + 0x90
  mov ecx, 12
  rep movsd
  mov esi, IN + MODE
  mov edi, SCRATCH + 0x100
  mov ecx, 64
  rep movsd
  mov eax, [IN + ENTRY]
  mov [SCRATCH + 0xc4], ax
  mov [SCRATCH + 0xd8], eax
  mov ax, [IN + AT_CS]
  mov [SCRATCH + 0xc6], ax
  mov [SCRATCH + 0xdc], ax
  mov eax, [IN + MODE]
  cmp eax, 1
  je run_v86
  cmp eax, 2
  je run_flat
  cmp eax, 3
  je run_long
  mov eax, [IN + AT_CR4]
  mov cr4, eax
  lidt [IN + AT_IDTR]
  ljmp 0x18, LOW + enter_real - low_begin

run_v86:
  lgdt [IN + AT_GDTR]
  lidt [IN + AT_IDTR]
  mov eax, [IN + AT_CR4]
  mov cr4, eax
  mov eax, [IN + AT_CR0]
  mov cr0, eax
  mov esp, KERNEL_STACK
  push dword ptr [IN + AT_GS]
  push dword ptr [IN + AT_FS]
  push dword ptr [IN + AT_DS]
  push dword ptr [IN + AT_ES]
  push dword ptr [IN + AT_SS]
  push dword ptr [IN + 32]
  push dword ptr [IN + RFLAGS]
  push dword ptr [IN + AT_CS]
  push dword ptr [IN + ENTRY]
  mov eax, [IN + 0]
  mov ecx, [IN + 8]
  mov edx, [IN + 16]
  mov ebx, [IN + 24]
  mov ebp, [IN + 40]
  mov esi, [IN + 48]
  mov edi, [IN + 56]
  iretd

# The model-specific registers of the list, debug registers.
load_registers:
  xor eax, eax
  mov fs, ax
  mov gs, ax
  mov ebp, [IN + AT_COUNT]
  mov esi, IN + AT_MSR
1:
  dec ebp
  js 2f
  mov ecx, [esi]
  mov eax, [esi + 8]
  mov edx, [esi + 12]
  wrmsr
  add esi, 16
  jmp 1b
2:
  mov eax, [IN + AT_DR]
  mov dr0, eax
  mov eax, [IN + AT_DR + 8]
  mov dr1, eax
  mov eax, [IN + AT_DR + 16]
  mov dr2, eax
  mov eax, [IN + AT_DR + 24]
  mov dr3, eax
  mov eax, [IN + AT_DR + 32]
  mov dr6, eax
  mov eax, [IN + AT_DR + 40]
  mov dr7, eax
  ret

# Flat code at CPL 0, without paging.
run_flat:
  call load_registers
  lgdt [IN + AT_GDTR]
  lidt [IN + AT_IDTR]
  and byte ptr [TASK_TYPE], 0xfd
  mov ax, [IN + AT_TR]
  ltr ax
  mov ax, [IN + AT_LDTR]
  lldt ax
  mov eax, [IN + AT_CR3]
  mov cr3, eax
  mov eax, [IN + AT_CR4]
  mov cr4, eax
  mov eax, [IN + AT_CR0]
  mov cr0, eax
  mov es, [SCRATCH + 0x90]
  mov fs, [SCRATCH + 0xa0]
  mov gs, [SCRATCH + 0xa8]
  mov ss, [SCRATCH + 0xb0]
  push dword ptr [IN + RFLAGS]
  popfd
  mov ds, [SCRATCH + 0x98]
  mov eax, cs:[SCRATCH + 0]
  mov ecx, cs:[SCRATCH + 8]
  mov edx, cs:[SCRATCH + 16]
  mov ebx, cs:[SCRATCH + 24]
  mov esp, cs:[SCRATCH + 32]
  mov ebp, cs:[SCRATCH + 40]
  mov esi, cs:[SCRATCH + 48]
  mov edi, cs:[SCRATCH + 56]
  ljmp cs:[SCRATCH + 0xd8]

# 64-bit code at CPL 0.
run_long:
  call load_registers
  # PAE and what the harness has.
  mov eax, CLEAN_CR4 | 0x20
  mov cr4, eax
  mov eax, TABLES
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, CLEAN_CR0 | 0x80000000
  mov cr0, eax
  ljmp 0x30, LOW + enter_long - low_begin

# From a handler in flat code: the vector is in the upper half of EAX, the selector of DS in the lower, EAX in CR2. All
# other registers are the program's.
  .globl common32
common32:
  mov ds, cs:[flat_data]
  mov [SCRATCH + 0x80], eax
  mov eax, cr2
  mov [OUT + 0], eax
  mov [OUT + 8], ecx
  mov [OUT + 16], edx
  mov [OUT + 24], ebx
  mov [OUT + 32], esp
  mov [OUT + 40], ebp
  mov [OUT + 48], esi
  mov [OUT + 56], edi
  mov ax, [SCRATCH + 0x80]
  mov [OUT + AT_DS], ax
  movzx eax, word ptr [SCRATCH + 0x82]
  mov [OUT + AT_ES], es
  mov [OUT + AT_FS], fs
  mov [OUT + AT_GS], gs
  mov [OUT + AT_SS], ss
  mov [OUT + AT_CS], cs
  mov ss, [flat_data]
  mov esp, STACK
  pushfd
  pop dword ptr [OUT + RFLAGS]
  mov [OUT + VECTOR], eax
  xor eax, eax
  mov [OUT + FINISHED], eax
  mov ax, 16
  mov es, ax
finish:
  sgdt [OUT + AT_GDTR]
  sidt [OUT + AT_IDTR]
  lgdt [gdt_pointer]
  mov ax, 16
  mov fs, ax
  mov gs, ax
  mov eax, cr0
  mov [OUT + AT_CR0], eax
  mov eax, CLEAN_CR0
  mov cr0, eax
  mov eax, cr2
  mov [OUT + 144], eax
  mov eax, cr3
  mov [OUT + AT_CR3], eax
  mov eax, cr4
  mov [OUT + AT_CR4], eax
  mov eax, CLEAN_CR4
  mov cr4, eax
  fxsave [OUT + FX]
  sldt [OUT + AT_LDTR]
  str [OUT + AT_TR]
  # DR7 first: with its GD set the others are not to be had.
  mov eax, dr7
  mov [OUT + AT_DR + 40], eax
  mov eax, dr0
  mov [OUT + AT_DR], eax
  mov eax, dr1
  mov [OUT + AT_DR + 8], eax
  mov eax, dr2
  mov [OUT + AT_DR + 16], eax
  mov eax, dr3
  mov [OUT + AT_DR + 24], eax
  mov eax, dr6
  mov [OUT + AT_DR + 32], eax
save_registers:
  cld
  mov ebp, [IN + AT_COUNT]
  mov esi, IN + AT_MSR
  mov edi, OUT + AT_MSR
1:
  dec ebp
  js answer
  mov ecx, [esi]
  rdmsr
  mov [edi], ecx
  mov [edi + 8], eax
  mov [edi + 12], edx
  add esi, 16
  add edi, 16
  jmp 1b

# From 64-bit code: all is in low memory. FS and GS are left alone: their bases are yet to be read.
from_long:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, STACK
  mov eax, CLEAN_CR0
  mov cr0, eax
  mov eax, CLEAN_CR4
  mov cr4, eax
  cld
  mov esi, SCRATCH
  mov edi, OUT
  mov ecx, 34
  rep movsd
  mov esi, SCRATCH + 0x90
  mov edi, OUT + AT_ES
  mov ecx, 12
  rep movsd
  mov esi, SCRATCH + 0x100
  mov edi, OUT + MODE
  mov ecx, 64
  rep movsd
  mov esi, SCRATCH + 0x200
  mov edi, OUT + 144
  movsd
  movsd
  jmp save_registers

from_real:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov esp, STACK
  cld
  mov esi, SCRATCH
  mov edi, OUT
  mov ecx, 34
  rep movsd
  mov esi, SCRATCH + 0x90
  mov edi, OUT + AT_ES
  mov ecx, 12
  rep movsd
  movzx eax, byte ptr [SCRATCH + 0xe0]
  mov [OUT + VECTOR], eax
  movzx eax, byte ptr [SCRATCH + 0xe1]
  mov [OUT + FINISHED], eax
  mov word ptr [SCRATCH + 0xe0], 0
  jmp finish

# Copied to LOW.
low_begin:
  .code16
# The end of a program, and (at LOW + 8) the way on from a handler.
  mov byte ptr cs:[SCRATCH + 0xe1], 1
  nop
  nop
common16:
  mov dword ptr cs:[SCRATCH + 0], eax
  mov dword ptr cs:[SCRATCH + 8], ecx
  mov dword ptr cs:[SCRATCH + 16], edx
  mov dword ptr cs:[SCRATCH + 24], ebx
  mov dword ptr cs:[SCRATCH + 32], esp
  mov dword ptr cs:[SCRATCH + 40], ebp
  mov dword ptr cs:[SCRATCH + 48], esi
  mov dword ptr cs:[SCRATCH + 56], edi
  mov word ptr cs:[SCRATCH + 0x90], es
  mov word ptr cs:[SCRATCH + 0x98], ds
  mov word ptr cs:[SCRATCH + 0xa0], fs
  mov word ptr cs:[SCRATCH + 0xa8], gs
  mov word ptr cs:[SCRATCH + 0xb0], ss
  mov word ptr cs:[SCRATCH + 0xb8], cs
  mov ax, 0
  mov ss, ax
  mov esp, KERNEL_STACK
  pushfd
  pop eax
  mov dword ptr cs:[SCRATCH + 128], eax
  cli
  mov eax, cr0
  mov dword ptr cs:[SCRATCH + 0xd0], eax
  .byte 0x66
  lgdt cs:[LOW + low_gdt - low_begin]
  or eax, 1
  mov cr0, eax
  .byte 0x66, 0xea
  .long from_real
  .word 8

enter_real:
  mov ax, 0x20
  mov ds, ax
  mov es, ax
  mov fs, ax
  mov gs, ax
  mov ss, ax
  mov eax, dword ptr [SCRATCH + 0x110]
  .byte 0x66
  lgdt [SCRATCH + 0x130]
  mov cr0, eax
  .byte 0xea
  .word LOW + 1f - low_begin
  .word 0
1:
  mov ax, 0
  mov ss, ax
  mov esp, KERNEL_STACK
  mov es, word ptr cs:[SCRATCH + 0x90]
  mov ds, word ptr cs:[SCRATCH + 0x98]
  mov fs, word ptr cs:[SCRATCH + 0xa0]
  mov gs, word ptr cs:[SCRATCH + 0xa8]
  mov eax, dword ptr cs:[SCRATCH + 0]
  mov ecx, dword ptr cs:[SCRATCH + 8]
  mov edx, dword ptr cs:[SCRATCH + 16]
  mov ebx, dword ptr cs:[SCRATCH + 24]
  mov ebp, dword ptr cs:[SCRATCH + 40]
  mov esi, dword ptr cs:[SCRATCH + 48]
  mov edi, dword ptr cs:[SCRATCH + 56]
  push dword ptr cs:[SCRATCH + 128]
  popfd
  mov ss, word ptr cs:[SCRATCH + 0xb0]
  mov esp, dword ptr cs:[SCRATCH + 32]
  # A far pointer of 16 bits.
  .byte 0x2e, 0xff, 0x2e
  .word SCRATCH + 0xc4
low_gdt:
  .word gdt_end - gdt - 1
  .long gdt

  .code64
enter_long:
  mov ax, 16
  mov ds, ax
  mov ss, ax
  fxrstor64 [IN + FX]
  lgdt [LOW + long_gdt - low_begin]
  # On in the upper half, which the program has, too.
  .byte 0x48, 0xb8
  .long LOW + 2f - low_begin, 0xffff8000
  jmp rax
2:
  lea r8, [rip + low_begin]
  lgdt [r8 + SCRATCH - LOW + 0x130]
  lidt [r8 + SCRATCH - LOW + 0x140]
  and byte ptr [r8 + TASK64_TYPE - LOW], 0xfd
  mov ax, [r8 + SCRATCH - LOW + 0x158]
  ltr ax
  mov ax, [r8 + SCRATCH - LOW + 0x150]
  lldt ax
  mov rax, [r8 + SCRATCH - LOW + 0x120]
  mov cr3, rax
  mov rax, [r8 + SCRATCH - LOW + 0x118]
  mov cr4, rax
  mov rax, [r8 + SCRATCH - LOW + 0x110]
  mov cr0, rax
  mov rax, [r8 + SCRATCH - LOW + 0x128]
  mov cr8, rax
  mov es, [r8 + SCRATCH - LOW + 0x90]
  mov ds, [r8 + SCRATCH - LOW + 0x98]
  lea rsp, [r8 + KERNEL_STACK - LOW]
  push qword ptr [r8 + SCRATCH - LOW + 0xb0]
  push qword ptr [r8 + SCRATCH - LOW + 0x20]
  push qword ptr [r8 + SCRATCH - LOW + 0x80]
  push qword ptr [r8 + SCRATCH - LOW + 0xb8]
  mov eax, [r8 + SCRATCH - LOW + 0xd8]
  push rax
  mov rax, [r8 + SCRATCH - LOW + 0x0]
  mov rcx, [r8 + SCRATCH - LOW + 0x8]
  mov rdx, [r8 + SCRATCH - LOW + 0x10]
  mov rbx, [r8 + SCRATCH - LOW + 0x18]
  mov rbp, [r8 + SCRATCH - LOW + 0x28]
  mov rsi, [r8 + SCRATCH - LOW + 0x30]
  mov rdi, [r8 + SCRATCH - LOW + 0x38]
  mov r9, [r8 + SCRATCH - LOW + 0x48]
  mov r10, [r8 + SCRATCH - LOW + 0x50]
  mov r11, [r8 + SCRATCH - LOW + 0x58]
  mov r12, [r8 + SCRATCH - LOW + 0x60]
  mov r13, [r8 + SCRATCH - LOW + 0x68]
  mov r14, [r8 + SCRATCH - LOW + 0x70]
  mov r15, [r8 + SCRATCH - LOW + 0x78]
  mov r8, [r8 + SCRATCH - LOW + 0x40]
  iretq

# From a handler in the upper half; the vector is in memory.
common64:
  mov [rip + scratch + 0x0], rax
  mov [rip + scratch + 0x8], rcx
  mov [rip + scratch + 0x10], rdx
  mov [rip + scratch + 0x18], rbx
  mov [rip + scratch + 0x20], rsp
  mov [rip + scratch + 0x28], rbp
  mov [rip + scratch + 0x30], rsi
  mov [rip + scratch + 0x38], rdi
  mov [rip + scratch + 0x40], r8
  mov [rip + scratch + 0x48], r9
  mov [rip + scratch + 0x50], r10
  mov [rip + scratch + 0x58], r11
  mov [rip + scratch + 0x60], r12
  mov [rip + scratch + 0x68], r13
  mov [rip + scratch + 0x70], r14
  mov [rip + scratch + 0x78], r15
  # SYSCALL leaves the program's stack.
  lea rsp, [rip + low_begin + KERNEL_STACK - 0x100 - LOW]
  pushfq
  pop qword ptr [rip + scratch + 0x80]
  mov [rip + scratch + 0x90], es
  mov [rip + scratch + 0x98], ds
  mov [rip + scratch + 0xa0], fs
  mov [rip + scratch + 0xa8], gs
  mov [rip + scratch + 0xb0], ss
  mov [rip + scratch + 0xb8], cs
  movzx eax, byte ptr [rip + scratch + 0x1f0]
  mov [rip + scratch + 0x100], rax
  mov rax, cr0
  mov [rip + scratch + 0x110], rax
  mov rax, cr4
  mov [rip + scratch + 0x118], rax
  mov rax, cr3
  mov [rip + scratch + 0x120], rax
  mov rax, cr8
  mov [rip + scratch + 0x128], rax
  mov rax, cr2
  mov [rip + scratch + 0x200], rax
  mov rax, dr0
  mov [rip + scratch + 0x160], rax
  mov rax, dr1
  mov [rip + scratch + 0x168], rax
  mov rax, dr2
  mov [rip + scratch + 0x170], rax
  mov rax, dr3
  mov [rip + scratch + 0x178], rax
  mov rax, dr6
  mov [rip + scratch + 0x180], rax
  mov rax, dr7
  mov [rip + scratch + 0x188], rax
  sgdt [rip + scratch + 0x130]
  sidt [rip + scratch + 0x140]
  sldt [rip + scratch + 0x150]
  str [rip + scratch + 0x158]
  mov eax, CLEAN_CR0 | 0x80000000
  mov cr0, rax
  mov eax, CLEAN_CR4 | 0x20
  mov cr4, rax
  mov eax, TABLES
  mov cr3, rax
  mov eax, LOW + 1f - low_begin
  jmp rax
1:
  fxsave64 [OUT + FX]
  lgdt [LOW + long_gdt - low_begin]
  push 8
  mov eax, OFFSET from_long
  push rax
  retfq
long_gdt:
  .word gdt_end - gdt - 1
  .long gdt, 0
  .set scratch, low_begin + SCRATCH - LOW
low_end:
  .code32

  .align 8
gdt:
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00009b000000ffff, 0x000093000000ffff, 0x0000890030000067
  .quad 0x00af9b000000ffff
gdt_end:
gdt_pointer:
  .word gdt_end - gdt - 1
  .long gdt
idt_pointer:
  .word idt_end - idt - 1
  .long idt
flat_data:
  .word 16
  .align 8
# Vector 0x24, the serial line.
idt:
  .fill 0x24, 8, 0
serial_gate:
  .word 0, 8, 0x8e00, 0
idt_end:
