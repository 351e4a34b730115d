# Loads a page table root that maps everything to itself, over and over: the next instruction fetch reads page tables
# as code, and whatever comes of that is the end of the guest.
        .include "machine.inc"

        .globl  start
start:
        call    serial_init
        print   "page tables in a loop\n"
        lea     rdi, [rip + root]
        lea     rax, [rdi + 3]
        mov     ecx, 512
        mov     rdx, rdi
        rep     stosq
        mov     cr3, rdx

        .bss
        .balign 4096
root:   .skip   4096
