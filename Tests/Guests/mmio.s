# Accesses to addresses that are not memory: loads, stores, read-modify-write, locked, across a page border, strings,
# and a stack. Nothing answers there: reads give all ones. Ends with status 3 (code 1) when one does not.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "window.inc"

        .equ    WRONG_VALUE, 1
        .equ    NOWHERE, 0xd0000000     # physical, between the end of RAM and the devices below 4 GiB

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        print   "mmio\n"

        map_window NOWHERE

# Loads of every size, aligned and not.
        xor     eax, eax
        mov     al, [rbx]
        cmp     eax, 0xff
        jne     wrong
        movzx   eax, word ptr [rbx + 1]
        cmp     eax, 0xffff
        jne     wrong
        mov     eax, [rbx + 3]
        cmp     eax, -1
        jne     wrong
        mov     rax, [rbx + 8]
        cmp     rax, -1
        jne     wrong
        movsx   eax, byte ptr [rbx + 5]
        cmp     eax, -1
        jne     wrong

# Stores of every size; they change nothing.
        mov     byte ptr [rbx], 0x12
        mov     word ptr [rbx + 2], 0x1234
        mov     dword ptr [rbx + 4], 0x12345678
        mov     rax, 0x123456789abcdef0
        mov     [rbx + 8], rax
        cmp     qword ptr [rbx + 8], -1
        jne     wrong

# A read, then a write.
        add     dword ptr [rbx + 16], 2
        jnc     wrong                   # all ones + 2 carries
        lock    inc qword ptr [rbx + 24]
        jnz     wrong                   # all ones + 1 is 0
        mov     eax, 7
        xchg    [rbx + 32], eax
        cmp     eax, -1
        jne     wrong
        bts     dword ptr [rbx + 36], 5
        jnc     wrong

# Across a page border.
        mov     rax, [rbx + 0xffc]
        cmp     rax, -1
        jne     wrong
        mov     [rbx + 0x1ffd], rax

# Strings: from there to memory, from memory to there, within.
        lea     rdi, [rip + buffer]
        lea     rsi, [rbx + 0x100]
        mov     ecx, 5
        rep     movsq
        lea     rsi, [rip + buffer]
        mov     ecx, 5
        mov     rax, -1
1:      cmp     [rsi], rax
        jne     wrong
        add     rsi, 8
        dec     ecx
        jnz     1b
        lea     rsi, [rip + buffer]
        lea     rdi, [rbx + 0x200]
        mov     ecx, 9
        rep     movsb
        lea     rsi, [rbx + 0x300]
        lea     rdi, [rbx + 0x400]
        movsd
        mov     eax, 0x41414141
        lea     rdi, [rbx + 0x500]
        mov     ecx, 3
        rep     stosd

# A stack there: a push and a pop.
        mov     rbp, rsp
        lea     rsp, [rbx + 0x800]
        push    rax
        pop     rax
        mov     rsp, rbp
        cmp     rax, -1
        jne     wrong

        print   "all values are right\n"
        power_off
wrong:
        print   "WRONG VALUE\n"
        exit_with WRONG_VALUE

        .bss
        .balign 16
buffer: .skip   64
