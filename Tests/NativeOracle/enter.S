// The way into guest code on the host's processor and back. Offsets: struct Block in NativeOracle.c.

#define RFLAGS 128
#define FX 160
#define FS_BASE 672
#define GS_BASE 680
#define SELECTORS 688
#define HOST_RSP 736
#define ENTRY 744
#define HOST_FS_BASE 752
#define B(offset) native_block+offset(%rip)

  .text
  .globl native_enter, native_enter_segment, native_exit, native_abort, native_segments
  .hidden native_enter, native_enter_segment, native_exit, native_abort, native_segments

// Saves what the host needs, and loads everything but the general registers.
  .macro  enter_state
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, B(HOST_RSP)
  rdfsbase %rax
  mov %rax, B(HOST_FS_BASE)
  fxrstor64 B(FX)
  .endm

  .macro  load_registers
  pushq B(RFLAGS)
  popfq
  mov B(0), %rax
  mov B(8), %rcx
  mov B(16), %rdx
  mov B(24), %rbx
  mov B(32), %rsp
  mov B(40), %rbp
  mov B(48), %rsi
  mov B(56), %rdi
  mov B(64), %r8
  mov B(72), %r9
  mov B(80), %r10
  mov B(88), %r11
  mov B(96), %r12
  mov B(104), %r13
  mov B(112), %r14
  mov B(120), %r15
  .endm

native_enter:
  enter_state
  mov B(FS_BASE), %rax
  wrfsbase %rax
  mov B(GS_BASE), %rax
  wrgsbase %rax
  load_registers
  jmp *B(ENTRY)

native_enter_segment:
  enter_state
  mov B(SELECTORS), %es
  mov B(SELECTORS + 8), %ds
  mov B(SELECTORS + 16), %fs
  mov B(SELECTORS + 24), %gs
  mov B(SELECTORS + 32), %ss
  load_registers
  ljmpl *B(ENTRY)

native_exit:
  mov %rax, B(0)
  mov %rcx, B(8)
  mov %rdx, B(16)
  mov %rbx, B(24)
  mov %rsp, B(32)
  mov %rbp, B(40)
  mov %rsi, B(48)
  mov %rdi, B(56)
  mov %r8, B(64)
  mov %r9, B(72)
  mov %r10, B(80)
  mov %r11, B(88)
  mov %r12, B(96)
  mov %r13, B(104)
  mov %r14, B(112)
  mov %r15, B(120)
  mov B(HOST_RSP), %rsp
  mov %ss, %eax
  mov %rax, B(SELECTORS + 32)
  mov host_stack(%rip), %ss
  pushfq
  popq B(RFLAGS)
  fxsave64 B(FX)
  call native_segments

native_abort:
  mov B(HOST_RSP), %rsp
  cld
  pushq $0x202
  popfq
  fninit
  ldmxcsr default_mxcsr(%rip)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

native_segments:
  rdfsbase %rax
  mov %rax, B(FS_BASE)
  rdgsbase %rax
  mov %rax, B(GS_BASE)
  xor %eax, %eax
  mov %es, %ecx
  mov %rcx, B(SELECTORS)
  mov %ds, %ecx
  mov %rcx, B(SELECTORS + 8)
  mov %fs, %ecx
  mov %rcx, B(SELECTORS + 16)
  mov %gs, %ecx
  mov %rcx, B(SELECTORS + 24)
  mov %eax, %es
  mov %eax, %ds
  mov %eax, %fs
  mov %eax, %gs
  wrgsbase %rax
  mov B(HOST_FS_BASE), %rax
  wrfsbase %rax
  ret

  .section .rodata
  .align 4
default_mxcsr:
  .long 0x1f80
host_stack:
  .short 0x2b

  .section .note.GNU-stack, "", @progbits
