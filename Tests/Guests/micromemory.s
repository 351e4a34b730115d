# N steps (100000) through 64 KiB of memory, each a load, a store and a read-modify-write: what `Tools/bench --micro`
# times as memory.
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 100000
        call    parse_number
        mov     rbx, rax
        call    serial_init
        lea     r8, [rip + table]
        xor     ecx, ecx
        xor     ebp, ebp                # the sum
1:      mov     rdx, [r8 + rcx * 8]
        add     rbp, rdx
        add     rdx, rbx
        mov     [r8 + rcx * 8], rdx
        inc     dword ptr [r8 + rcx * 8 + 4]
        add     ecx, 17
        and     ecx, 8191
        dec     rbx
        jnz     1b
        mov     rax, rbp
        call    put_hex
        print   "\n"
        power_off

        .bss
        .balign 4096
table:  .skip   8192 * 8
