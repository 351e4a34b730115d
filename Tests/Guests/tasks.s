# A small preemptive kernel: two tasks in user mode, each in an address space of its own, switched by the timer; demand
# paging, exceptions that a task handles itself, one that ends it, and system calls by INT 0x80.
#
# Some KVM hosts cannot deliver INT 0x80 from user mode and raise #UD at the instruction instead (`chronovisor doctor`
# says which). The #UD handler recognises that and makes the system call, so the tasks run the same everywhere.
#
# Linear memory of a task: 0 to 4 MiB the kernel (supervisor only), 0x400000 the program (read-only, shared),
# 0x401000 the stack, a frame of the task's own that is there from its first use on.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    USER_DS, 0x2b
        .equ    USER_CS, 0x33
        .equ    TSS_SELECTOR, 0x38
        .equ    PRESENT, 1
        .equ    WRITABLE, 2
        .equ    USER, 4
        .equ    LARGE, 0x80
        .equ    PROGRAM, 0x400000
        .equ    STACK, PROGRAM + 0x1000
        .equ    STACK_TOP, STACK + 0x1000
        .equ    TASKS, 2
        .equ    LINES, 6                # that each task prints
        .equ    KERNEL_PANIC, 2

# System calls: number in rax, arguments in rdi and rsi.
        .equ    SYS_EXIT, 0
        .equ    SYS_WRITE, 1            # rdi = first character, rsi = how many
        .equ    SYS_HANDLER, 2          # rdi = where this task goes on after an exception

# A task's record, in a page with its kernel stack; the stack grows down to it.
        .equ    TASK_RSP, 0             # while it does not run
        .equ    TASK_CR3, 8
        .equ    TASK_HANDLER, 16        # 0: exceptions end it
        .equ    TASK_ALIVE, 24
        .equ    TASK_NAME, 32
        .equ    TASK_SIZE, 4096

# What an interrupt handler's entry saves, below rip, cs, rflags, rsp and ss.
        .equ    FRAME_RDI, 8
        .equ    FRAME_RDX, 40
        .equ    FRAME_ERROR, 64
        .equ    FRAME_RIP, 72
        .equ    FRAME_CS, 80
        .equ    FRAME_RFLAGS, 88
        .equ    RF, 1 << 16

        .macro  save_registers
        push    rax
        push    rcx
        push    rdx
        push    rbx
        push    rbp
        push    rsi
        push    rdi
        push    r8
        .endm

        .macro  restore_registers
        pop     r8
        pop     rdi
        pop     rsi
        pop     rbp
        pop     rbx
        pop     rdx
        pop     rcx
        pop     rax
        add     rsp, 8                  # the error code
        iretq
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        print   "two tasks\n"
        lgdt    [rip + gdt_pointer]
        lea     rax, [rip + tss]        # below 16 MiB: two pieces of the base are 0
        mov     [rip + gdt_tss + 2], ax
        shr     rax, 16
        mov     [rip + gdt_tss + 4], al
        mov     eax, TSS_SELECTOR
        ltr     ax
        gate    0, on_divide
        gate    6, on_invalid_opcode
        gate    13, on_protection
        gate    14, on_page_fault
        gate    IRQ_BASE + 0, on_timer
        gate    0x80, on_system_call, GATE_USER_TRAP

        lea     rbx, [rip + tasks]
        mov     dword ptr [rbx + TASK_NAME], 'A'
        lea     rdx, [rip + tables]
        call    task_make
        add     rbx, TASK_SIZE
        mov     dword ptr [rbx + TASK_NAME], 'B'
        lea     rdx, [rip + tables + 4 * 4096]
        call    task_make

        timer   250
        unmask_irqs 0xfe
        lea     rbx, [rip + tasks]      # from here on rbx is not used before task_run sets it
        jmp     task_run

# Makes the task whose record is at rbx, with the four page tables at rdx.
task_make:
        lea     rax, [rdx + 4096 + PRESENT + WRITABLE + USER]
        mov     [rdx], rax              # root, entry 0
        add     rax, 4096
        mov     [rdx + 4096], rax       # the first GiB
        add     rax, 4096
        mov     qword ptr [rdx + 8192], 0 | LARGE | WRITABLE | PRESENT
        mov     qword ptr [rdx + 8192 + 8], 0x200000 | LARGE | WRITABLE | PRESENT
        mov     [rdx + 8192 + 16], rax  # 4 MiB to 6 MiB, by small pages
        mov     qword ptr [rdx + 12288], PROGRAM + PRESENT + USER
        mov     [rbx + TASK_CR3], rdx
        mov     byte ptr [rbx + TASK_ALIVE], 1

# Its kernel stack looks as if the task had been interrupted before its first instruction, and then switched away from.
        lea     rax, [rbx + TASK_SIZE - 16 * 8]
        lea     rcx, [rip + task_begin]
        mov     [rax], rcx              # where task_switch returns to
        lea     rax, [rax + 8]
        mov     ecx, [rbx + TASK_NAME]
        mov     [rax + FRAME_RDI], rcx
        lea     rcx, [rip + program]
        mov     [rax + FRAME_RIP], rcx
        mov     qword ptr [rax + FRAME_CS], USER_CS
        mov     qword ptr [rax + FRAME_CS + 8], 0x202
        mov     qword ptr [rax + FRAME_CS + 16], STACK_TOP
        mov     qword ptr [rax + FRAME_CS + 24], USER_DS
        sub     rax, 8 + 6 * 8          # six registers that task_switch restores
        mov     [rbx + TASK_RSP], rax
        ret
task_begin:
        restore_registers

# Switches from the current task to the one at rbx; returns when somebody switches back.
task_switch:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rax, [rip + current]
        mov     [rax + TASK_RSP], rsp
task_run:                               # the same, leaving no task behind
        mov     [rip + current], rbx
        lea     rax, [rbx + TASK_SIZE]
        mov     [rip + tss + 4], rax    # RSP0
        mov     rax, [rbx + TASK_CR3]
        mov     cr3, rax
        mov     rsp, [rbx + TASK_RSP]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

# Lets the other task run, if it lives.
schedule:
        push    rbx
        call    other_task
        cmp     byte ptr [rbx + TASK_ALIVE], 0
        je      1f
        call    task_switch
1:      pop     rbx
        ret

# rbx = the task that is not the current one
other_task:
        lea     rbx, [rip + tasks]
        cmp     rbx, [rip + current]
        jne     1f
        add     rbx, TASK_SIZE
1:      ret

# Ends the current task: goes on with the other one, or, with none left, powers off.
task_exit:
        cli
        mov     rax, [rip + current]
        mov     byte ptr [rax + TASK_ALIVE], 0
        call    other_task
        cmp     byte ptr [rbx + TASK_ALIVE], 0
        jne     task_run
        print   "both ended; "
        mov     eax, [rip + faults]
        call    put_decimal
        print   " pages given\n"
        power_off

# The timer switches tasks, but not within a line of output: then the end of the line does.
on_timer:
        push    0
        save_registers
        mov     al, EOI
        out     PIC1, al
        mov     byte ptr [rip + want_switch], 1
        cmp     byte ptr [rip + printing], 0
        jne     1f
        mov     byte ptr [rip + want_switch], 0
        call    schedule
1:      restore_registers

# Interrupts stay on in a system call: the kernel can be preempted as well.
on_system_call:
        push    0
        save_registers
system_call:
        cmp     eax, SYS_WRITE
        sti
        je      1f
        jb      task_exit
        mov     rax, [rip + current]
        mov     [rax + TASK_HANDLER], rdi
        jmp     2f
1:      mov     byte ptr [rip + printing], 1
        mov     rbp, rsi
        mov     rbx, rdi
3:      mov     al, [rbx]
        call    put_char
        inc     rbx
        dec     rbp
        jnz     3b
        cli
        mov     byte ptr [rip + printing], 0
        cmp     byte ptr [rip + want_switch], 0
        je      2f
        mov     byte ptr [rip + want_switch], 0
        call    schedule
2:      restore_registers

# INT 0x80 that the host could not deliver is made good here, before interrupts are on again: from `system_call` on,
# memory and registers are what they are where INT works. Any other invalid opcode is an exception of the task.
on_invalid_opcode:
        push    0
        save_registers
        cmp     qword ptr [rsp + FRAME_CS], USER_CS
        jne     panic
        mov     rdx, [rsp + FRAME_RIP]
        cmp     word ptr [rdx], 0x80cd  # int 0x80
        jne     task_exception
        add     qword ptr [rsp + FRAME_RIP], 2
        and     dword ptr [rsp + FRAME_RFLAGS], ~RF
        mov     rdx, [rsp + FRAME_RDX]
        jmp     system_call

on_divide:
        push    0
        save_registers
        jmp     task_exception

on_protection:
        save_registers
        jmp     task_exception

# The first use of the stack's page gives the task a frame; every other page fault is an exception.
on_page_fault:
        save_registers
        mov     rax, cr2
        shr     rax, 12
        cmp     rax, STACK >> 12
        jne     task_exception
        test    byte ptr [rsp + FRAME_ERROR], PRESENT
        jnz     task_exception
        mov     rcx, [rip + current]
        mov     rcx, [rcx + TASK_CR3]
        mov     rax, [rip + next_frame]
        add     qword ptr [rip + next_frame], 4096
        or      eax, PRESENT | WRITABLE | USER
        mov     [rcx + 3 * 4096 + 8], rax
        inc     dword ptr [rip + faults]
        restore_registers

# Goes on in the task's handler, or ends the task.
task_exception:
        cmp     qword ptr [rsp + FRAME_CS], USER_CS
        jne     panic
        mov     rcx, [rip + current]
        mov     rax, [rcx + TASK_HANDLER]
        test    rax, rax
        jz      1f
        mov     [rsp + FRAME_RIP], rax
        restore_registers
1:      mov     eax, [rcx + TASK_NAME]
        call    put_char
        print   " ended by an exception\n"
        jmp     task_exit
panic:
        print   "exception in the kernel\n"
        exit_with KERNEL_PANIC

        .data
        .balign 16
gdt:    .quad   0, 0
        .quad   0x00af9b000000ffff      # 0x10 kernel code
        .quad   0x00cf93000000ffff      # 0x18 kernel data
        .quad   0                       # 0x20
        .quad   0x00cff3000000ffff      # 0x28 user data
        .quad   0x00affb000000ffff      # 0x30 user code
gdt_tss:                                # 0x38 task segment
        .word   tss_end - tss - 1, 0
        .byte   0, 0x89, 0, 0
        .quad   0
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .quad   gdt
        .balign 8
tss:    .skip   102
        .word   104                     # the I/O permission bitmap follows: of ports 0 to 0xff, only 0x80 is open
        .fill   16, 1, 0xff
        .byte   0xfe
        .fill   15, 1, 0xff
        .byte   0xff
tss_end:
        .balign 8
next_frame:
        .quad   0x410000

        .bss
        .balign 4096
tasks:  .skip   TASKS * TASK_SIZE
tables: .skip   TASKS * 4 * 4096
current:
        .skip   8
faults: .skip   4
printing:
        .skip   1                       # a line is under way
want_switch:
        .skip   1                       # the timer has come meanwhile

# What both tasks run, at PROGRAM; rdi = the task's name.
        .section .user, "ax"
        .globl  program
program:
        mov     r12, rdi
        xor     r13d, r13d              # lines printed
        lea     rdi, [rip + recovered]
        mov     eax, SYS_HANDLER
        int     0x80
        mov     rbp, rsp

# Each turn: work, then a line, which is made on the stack.
turn:
        mov     ecx, 400000
1:      imul    r14, r14, 69069
        add     r14, rcx
        test    ecx, 0x1fff
        jnz     2f
        in      al, POST                # now and then a port, which the task segment allows
2:      dec     ecx
        jnz     1b
        inc     r13d
        lea     eax, [r13 + '0']
        shl     eax, 16
        or      eax, r12d
        or      eax, 0x0a002000         # name, space, digit, newline
        push    rax
        mov     rdi, rsp
        mov     esi, 4
        mov     eax, SYS_WRITE
        int     0x80
        add     rsp, 8
        cmp     r13d, LINES / 3
        je      divide
        cmp     r13d, LINES * 2 / 3
        je      write_program
        cmp     r13d, LINES
        jb      turn
        cmp     r12d, 'A'
        je      leave
        xor     edi, edi                # B ends badly: without a handler ...
        mov     eax, SYS_HANDLER
        int     0x80
        cli                             # ... it does what user mode may not
leave:
        mov     eax, SYS_EXIT
        int     0x80

# Two exceptions that the handler below makes good.
divide:
        xor     ecx, ecx
        xor     edx, edx
        div     ecx
write_program:
        mov     byte ptr [rip + program], 0x90

# Where a task goes on after an exception.
recovered:
        mov     rsp, rbp
        mov     rax, 0x0a6b6f2000       # "  ok\n"
        or      rax, r12
        push    rax
        mov     rdi, rsp
        mov     esi, 5
        mov     eax, SYS_WRITE
        int     0x80
        mov     rsp, rbp
        jmp     turn
