# String I/O: REP OUTS to the debug console, REP INS of all sizes from a port without a device (all ones), over page
# borders, longer than a batch, and downwards. Ends with status 3 (code 1) when a byte is wrong.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    WRONG_BYTES, 1
        .equ    NO_DEVICE, 0x2e0
        .equ    LONG, 3000              # units, more than KVM moves in one exit

# Fills `buffer` with 0x55.
        .macro  clear_buffer
        lea     rdi, [rip + buffer]
        mov     al, 0x55
        mov     ecx, BUFFER_SIZE
        rep     stosb
        .endm

# Checks that the bytes before `first`, `count` bytes from there and the rest are 0x55, 0xff and 0x55.
        .macro  check first, count
        lea     rdi, [rip + buffer]
        mov     ecx, \first
        mov     edx, \count
        call    check_buffer
        .endm

        .equ    BUFFER_SIZE, 0x4000

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        print   "string i/o\n"

        mov     dx, DEBUG_CONSOLE
        lea     rsi, [rip + text]
        mov     ecx, text_end - text
        rep     outsb
        lea     rax, [rip + text_end]
        cmp     rsi, rax
        jne     wrong

        clear_buffer
        mov     dx, NO_DEVICE
        lea     rdi, [rip + buffer + 100]
        mov     ecx, LONG
        rep     insb
        check   100, LONG

        clear_buffer
        mov     dx, NO_DEVICE
        lea     rdi, [rip + buffer + 1] # words that straddle page borders
        mov     ecx, LONG
        rep     insw
        check   1, LONG*2

        clear_buffer
        mov     dx, NO_DEVICE
        lea     rdi, [rip + buffer + 2]
        mov     ecx, LONG
        rep     insd
        check   2, LONG*4

        clear_buffer
        std
        mov     dx, NO_DEVICE
        lea     rdi, [rip + buffer + 5000]
        mov     ecx, 40
        rep     insd
        cld
        check   5000-39*4, 40*4

        clear_buffer
        mov     dx, NO_DEVICE
        lea     rdi, [rip + buffer]
        xor     ecx, ecx
        rep     insb                    # nothing
        insb                            # one byte, without REP
        check   0, 1

        std
        mov     dx, POST
        lea     rsi, [rip + buffer + 40]
        mov     ecx, 10
        rep     outsw
        cld
        lea     rax, [rip + buffer + 20]
        cmp     rsi, rax
        jne     wrong

        print   "all bytes are right\n"
        power_off

# rdi = buffer, ecx = 0x55 bytes, then edx = 0xff bytes, then 0x55 to the end
check_buffer:
        mov     esi, BUFFER_SIZE
        sub     esi, ecx
        sub     esi, edx
        mov     al, 0x55
        test    ecx, ecx
        jz      1f                      # REPE with a count of 0 would leave ZF as it is
        repe    scasb
        jne     wrong
1:      mov     al, 0xff
        mov     ecx, edx
        repe    scasb
        jne     wrong
        mov     al, 0x55
        mov     ecx, esi
        repe    scasb
        jne     wrong
        ret
wrong:
        print   "WRONG BYTES\n"
        exit_with WRONG_BYTES

        .section .rodata
text:   .ascii  "written by rep outsb\n"
text_end:
        .bss
        .balign 4096
buffer: .skip   BUFFER_SIZE
