# Computes in kernel mode, without an exit in between: 100000 steps of a xorshift generator and a sum over memory, or
# as many as the command line says.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        print   "computing\n"
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
        mov     rax, rbp
        call    put_hex
        print   "\n"
        power_off

        .bss
        .balign 4096
table:  .skip   65536 * 8
