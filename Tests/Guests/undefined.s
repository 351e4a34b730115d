# Instructions whose flags the manuals leave undefined, from status flags that are all clear and all set: what they leave
# behind goes to a port, a byte with SF to CF and one with OF.
        .include "machine.inc"

        .macro  leaves_flags code:vararg
        .irp    before, 0x002, 0x8d7
        mov     eax, 0x80f1
        mov     ebx, 0x1350
        mov     ecx, 3
        xor     edx, edx
        push    \before
        popfq
        \code
        pushfq
        pop     rax
        and     eax, 0x8d5
        out     POST, al
        shr     eax, 8
        out     POST, al
        .endr
        .endm

        .globl  start
start:
        call    serial_init
        leaves_flags bsf eax, ebx
        leaves_flags bsr rax, rbx
        leaves_flags bsf eax, edx
        leaves_flags bt eax, ecx
        leaves_flags mul ebx
        leaves_flags imul eax, ebx
        leaves_flags div ebx
        leaves_flags shl eax, 4
        leaves_flags shr rax, 3
        leaves_flags sar ax, cl
        leaves_flags rol eax, 5
        leaves_flags rcr eax, 4
        leaves_flags shld eax, ebx, 4
        print   "done\n"
        power_off
