# Runs code that begins in one page and goes on in the next; then the second page is taken away, made not executable,
# or mapped elsewhere, and what was changed is flushed by INVLPG or by loading CR3; then the code is run once more. All
# of it in kernel mode, then in user mode. Prints a line each: what the code returned (0 as before the change, 1 from
# the other page), or the page fault's error code. Ends with status 3 (code 1) when a fault came from anywhere else.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .equ    MISPLACED_FAULT, 1
        .equ    RUNS, 3                 # before the change
        .equ    FIRST, 0x40000000       # linear: behind what the loader maps
        .equ    SECOND, FIRST + 0x1000
        .equ    ENTRY, SECOND - 8
        .equ    PRESENT, 1
        .equ    EVERYTHING, 7           # present, writable, user
        .equ    NO_EXECUTE, 63
        .equ    EFER, 0xc0000080
        .equ    EFER_NXE, 1 << 11
        .equ    FAULTED, 32             # bit of a result

# r12d = 0 in kernel mode, 1 in user mode; r13d = what is changed and how it is flushed: the five of `change`
        .globl  start
start:
        call    serial_init
        call    interrupts_init
        call    user_init
        gate    3, user_done, GATE_USER
        gate    14, page_fault
        mov     ecx, EFER
        rdmsr
        or      eax, EFER_NXE
        wrmsr
        call    map_pages
        call    write_code
        xor     r12d, r12d
next_mode:
        xor     r13d, r13d
next_change:
        lea     rax, [rip + second + EVERYTHING]
        mov     [rip + table + 8], rax
        mov     rax, cr3
        mov     cr3, rax
        mov     ebx, RUNS
1:      call    run
        dec     ebx
        jnz     1b
        call    change
        call    run
        call    report
        inc     r13d
        cmp     r13d, 5
        jb      next_change
        inc     r12d
        cmp     r12d, 2
        jb      next_mode
        power_off

# 0: not present, INVLPG; 1: not executable, INVLPG; 2: not present, CR3; 3: elsewhere, INVLPG; 4: elsewhere, CR3
change:
        lea     rdx, [rip + second + EVERYTHING]
        lea     rax, [rip + elsewhere + EVERYTHING]
        cmp     r13d, 3
        cmovae  rdx, rax
        jae     1f
        cmp     r13d, 1
        jne     2f
        bts     rdx, NO_EXECUTE
        jmp     1f
2:      and     rdx, ~PRESENT
1:      mov     [rip + table + 8], rdx
        mov     edi, SECOND
        mov     rax, cr3
        bt      r13d, 0                 # 2 and 4, and 0: which INVLPG does as well
        jc      3f
        test    r13d, r13d
        jz      3f
        mov     cr3, rax
        ret
3:      invlpg  [rdi]
        ret

# Runs the code; the result in rax. A fault or the user program's end comes back to the caller by r15.
run:
        mov     r15, rsp
        mov     ebp, ENTRY
        test    r12d, r12d
        jnz     1f
        xor     eax, eax
        call    rbp
        ret
1:      enter_user user_program, user_stack_top, 2
user_program:
        xor     eax, eax
        call    rbp
        int3
user_done:
        mov     rsp, r15
        ret

# On the stack: error code, rip, ...
page_fault:
        mov     eax, SECOND
        cmp     [rsp + 8], rax
        jne     misplaced
        mov     rax, cr2
        cmp     rax, SECOND
        jne     misplaced
        pop     rax
        bts     rax, FAULTED
        mov     rsp, r15
        ret
misplaced:
        print   "A FAULT AT ANOTHER PLACE\n"
        exit_with MISPLACED_FAULT

# Prints the result in rax.
report:
        mov     rbx, rax
        test    r12d, r12d
        jnz     1f
        print   "kernel "
        jmp     2f
1:      print   "user "
2:      mov     eax, r13d
        call    put_decimal
        btr     rbx, FAULTED
        jnc     3f
        print   " fault "
        jmp     4f
3:      print   " returns "
4:      mov     rax, rbx
        call    put_decimal
        mov     al, '\n'
        jmp     put_char

# The second GiB: one directory, one table, two pages.
map_pages:
        mov     rax, cr3
        mov     rax, [rax]
        and     rax, ~0xfff
        lea     rdx, [rip + directory + EVERYTHING]
        mov     [rax + 8], rdx
        lea     rdx, [rip + table + EVERYTHING]
        mov     [rip + directory], rdx
        lea     rdx, [rip + first + EVERYTHING]
        mov     [rip + table], rdx
        ret

# first: nops up to its end; second: ret; elsewhere: mov eax, 1; ret.
write_code:
        mov     rax, 0x9090909090909090
        mov     [rip + first + 4096 - 8], rax
        mov     dword ptr [rip + second], 0xc3909090
        mov     dword ptr [rip + elsewhere], 0x000001b8
        mov     dword ptr [rip + elsewhere + 4], 0x9090c300
        ret

        .bss
        .balign 4096
directory: .skip 4096
table:  .skip   4096
first:  .skip   4096
second: .skip   4096
elsewhere: .skip 4096
