# 200 rounds through much code that is executed alike: N pieces (96) of 1,024 blocks each. What a block costs must not
# depend on how many there are (`chronovisor run --stats`).
        .include "machine.inc"

        .globl  start
start:
        mov     eax, 96
        call    parse_number
        cmp     eax, 96
        jbe     1f
        mov     eax, 96
1:      mov     r12d, eax
        call    serial_init
        mov     r13d, 200
        xor     ebx, ebx
        mov     eax, 1
rounds: lea     r14, [rip + pieces]
        mov     r15d, r12d
piece:  call    r14
        add     r14, offset piece_size
        dec     r15d
        jnz     piece
        dec     r13d
        jnz     rounds
        mov     rax, rbx
        call    put_hex
        print   "\n"
        power_off

        .balign 16
pieces:
        .rept   96
        .rept   512
        lea     edx, [rax + rax * 4 + 7]
        xor     eax, edx
        mov     ecx, edx
        test    dl, 16
        jz      1f
        add     rbx, rcx
1:
        .endr
        ret
        .balign 16
        .endr
        .equ    piece_size, (. - pieces) / 96
