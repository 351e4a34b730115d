# Computes in user mode, without an exit in between: 20 million steps of a xorshift generator and a sum over memory,
# or as many as the command line says. The same work as compute.s.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .globl  start
start:
        mov     eax, 20000000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        print   "computing in user mode\n"
        call    interrupts_init
        call    user_init
        enter_user compute, user_stack_top

compute:
        mov     rax, 88172645463325252  # the state of the generator
        xor     ebp, ebp                # the sum
        lea     r8, [rip + table]
1:      mov     rcx, rax
        shl     rcx, 13
        xor     rax, rcx
        mov     rcx, rax
        shr     rcx, 7
        xor     rax, rcx
        mov     rcx, rax
        shl     rcx, 17
        xor     rax, rcx
        movzx   ecx, ax
        add     [r8 + rcx * 8], rax     # 512 KiB of scattered words
        add     rbp, [r8 + rcx * 8]
        dec     rbx
        jnz     1b
        mov     rdi, rbp
        system_call 1
        system_call 0

        .bss
        .balign 4096
table:  .skip   65536 * 8
