# A storm of page faults: a region at 1 GiB of which nothing is mapped at first. The handler gives each page a frame
# when it is first touched, in scattered order; twice over 1500 pages, or as many as the command line says (at most
# 2048). Each page keeps a word that says which it is. Ends with status 3 (code 1) when one holds another's.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    WRONG_PAGE, 1
        .equ    REGION, 1 << 30
        .equ    REGION_PAGES, 4096
        .equ    MOST_PAGES, 2048        # frames, 8 MiB from 4 MiB on
        .equ    FRAMES, 0x400000

        .globl  start
start:
        mov     eax, 1500
        call    parse_number
        cmp     eax, MOST_PAGES
        jbe     1f
        mov     eax, MOST_PAGES
1:      mov     r12d, eax               # pages in each round
        call    serial_init
        call    interrupts_init
        gate    14, on_page_fault
        print   "page faults\n"

# Page tables of the region: 8 tables of 512 pages, all empty.
        mov     rax, cr3
        mov     rax, [rax]
        and     rax, ~0xfff
        lea     rdx, [rip + directory]
        lea     rcx, [rdx + 3]          # present, writable
        mov     [rax + 8], rcx          # the second GiB
        lea     rcx, [rip + tables + 3]
        mov     eax, REGION_PAGES / 512
1:      mov     [rdx], rcx
        add     rdx, 8
        add     rcx, 4096
        dec     eax
        jnz     1b

        mov     r13d, 2                 # rounds
round:
        mov     dword ptr [rip + next_frame], FRAMES
        call    touch_pages
        call    unmap_all
        dec     r13d
        jnz     round

        mov     eax, [rip + faults]
        call    put_decimal
        print   " page faults\n"
        power_off
wrong:
        print   "WRONG PAGE\n"
        exit_with WRONG_PAGE

# Writes a word to each page in scattered order (an odd step visits all), then reads all of them back.
touch_pages:
        mov     ebx, r12d
        xor     ebp, ebp
1:      imul    eax, ebp, 1237
        and     eax, REGION_PAGES - 1
        mov     edx, eax
        shl     rdx, 12
        add     rdx, REGION
        mov     [rdx + 8], rax          # the first touch faults
        inc     ebp
        cmp     ebp, ebx
        jb      1b
        xor     ebp, ebp
2:      imul    eax, ebp, 1237
        and     eax, REGION_PAGES - 1
        mov     edx, eax
        shl     rdx, 12
        add     rdx, REGION
        cmp     [rdx + 8], rax
        jne     wrong
        inc     ebp
        cmp     ebp, ebx
        jb      2b
        ret

# Empties the tables and forgets the translations.
unmap_all:
        lea     rdi, [rip + tables]
        xor     eax, eax
        mov     ecx, REGION_PAGES
        rep     stosq
        mov     rax, cr3
        mov     cr3, rax
        ret

# Gives the page at CR2 the next frame. A fault outside the region, or on a page that is there, is a mistake.
on_page_fault:
        push    rax
        push    rdx
        mov     rax, cr2
        sub     rax, REGION
        shr     rax, 12
        cmp     rax, REGION_PAGES
        jae     1f
        test    dword ptr [rsp + 16], 1 # error code: the page was present
        jnz     1f
        lea     rdx, [rip + tables]
        lea     rdx, [rdx + rax * 8]
        mov     eax, [rip + next_frame]
        add     dword ptr [rip + next_frame], 4096
        or      eax, 3
        mov     [rdx], rax
        inc     dword ptr [rip + faults]
        pop     rdx
        pop     rax
        add     rsp, 8                  # the error code
        iretq
1:      pop     rdx
        pop     rax
        push    14
        jmp     exception

        .bss
        .balign 4096
directory:
        .skip   4096
tables: .skip   REGION_PAGES * 8
faults: .skip   4
next_frame:
        .skip   4
