# Prints four random numbers of the CPU, RDRAND and RDSEED by turns, where CPUID says that it has both; ends with
# status 3 where it does not.
        .include "machine.inc"

        .equ    NONE, 1

        .globl  start
start:
        call    serial_init
        mov     eax, 1
        cpuid
        bt      ecx, 30                         # RDRAND
        jnc     none
        mov     eax, 7
        xor     ecx, ecx
        cpuid
        bt      ebx, 18                         # RDSEED
        jnc     none
        mov     ebp, 2
next:   rdrand  rax
        jnc     next
        call    put_hex
        mov     al, ' '
        call    put_char
1:      rdseed  rax
        jnc     1b
        call    put_hex
        mov     al, '\n'
        call    put_char
        dec     ebp
        jnz     next
        power_off
none:   print   "no random numbers\n"
        exit_with NONE
