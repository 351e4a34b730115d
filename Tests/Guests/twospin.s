# Two tasks in user mode that never exit, switched by the timer: N interrupts (20), then the handler powers off, when both
# tasks have run.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .equ    FAILED, 1
        .equ    STACK_SIZE, 4096

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     [rip + wanted], rax
        call    serial_init
        print   "two tasks spin\n"
        call    interrupts_init
        call    user_init
        gate    IRQ_BASE + 0, on_timer

# The second task's kernel stack looks as if it had been interrupted before its first instruction.
        lea     rdi, [rip + second_stack + STACK_SIZE - 7 * 8]
        mov     [rip + other_stack], rdi
        lea     rax, [rip + count_b]
        mov     [rdi + 16], rax
        mov     qword ptr [rdi + 24], USER_CS
        mov     qword ptr [rdi + 32], 0x202
        lea     rax, [rip + user_stack_b]
        mov     [rdi + 40], rax
        mov     qword ptr [rdi + 48], USER_DS
        lea     rax, [rip + second_stack + STACK_SIZE]
        mov     [rip + other_top], rax

        timer   250
        unmask_irqs 0xfe
        enter_user count_a, user_stack_top

count_a:
        lea     rbx, [rip + turns_a]
        jmp     1f
count_b:
        lea     rbx, [rip + turns_b]
1:      xor     eax, eax
2:      inc     rax
        jmp     2b

on_timer:
        push    rax
        push    rbx
        push    rax
        mov     al, EOI
        out     PIC1, al
        pop     rax
        test    byte ptr [rsp + 24], 3  # CS: of a task, not of the kernel that starts the first one
        jz      3f
        mov     [rbx], rax
3:      inc     qword ptr [rip + ticks]
        mov     rax, [rip + wanted]
        cmp     [rip + ticks], rax
        jae     1f
        xchg    rsp, [rip + other_stack]
        mov     rax, [rip + tss + 4]    # RSP0
        xchg    rax, [rip + other_top]
        mov     [rip + tss + 4], rax
        pop     rbx
        pop     rax
        iretq
1:      cmp     qword ptr [rip + turns_a], 0
        je      2f
        cmp     qword ptr [rip + turns_b], 0
        je      2f
        print   "both ran\n"
        power_off
2:      print   "a task did not run\n"
        exit_with FAILED

        .bss
        .balign 16
second_stack:
        .skip   STACK_SIZE
        .skip   256
user_stack_b:
        .skip   16
other_stack:
        .skip   8
other_top:
        .skip   8
turns_a:
        .skip   8
turns_b:
        .skip   8
ticks:  .skip   8
wanted: .skip   8
