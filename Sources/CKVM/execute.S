// Calls a piece of code with given registers: see CHostExecute.h.

  .text
  .globl chost_call
  .hidden chost_call

// rdi: struct chost_registers, rsi: the code.
chost_call:
  push %rbx
  push %rbp
  mov %rdi, %rbp
  mov 0(%rbp), %rax
  mov 8(%rbp), %rcx
  mov 16(%rbp), %rdx
  mov 24(%rbp), %rbx
  pushq 32(%rbp)
  popfq
  call *%rsi
  pushfq
  popq 32(%rbp)
  mov %rax, 0(%rbp)
  mov %rcx, 8(%rbp)
  mov %rdx, 16(%rbp)
  mov %rbx, 24(%rbp)
  cld
  pop %rbp
  pop %rbx
  ret

  .section .note.GNU-stack, "", @progbits
