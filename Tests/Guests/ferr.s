# With CR0.NE clear an x87 error is IRQ 13, which port 0xf0 ends, and not #MF: a division by zero is to raise it once.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    COPROCESSOR, 0xf0
        .equ    CR0_MP, 1 << 1
        .equ    CR0_EM_TS_NE, 1 << 2 | 1 << 3 | 1 << 5

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE + 13, on_error
        mov     al, ~(1 << 2) & 0xff            # the cascade
        out     PIC1 + 1, al
        mov     al, ~(1 << 5) & 0xff
        out     PIC2 + 1, al
        mov     rax, cr0
        and     eax, ~CR0_EM_TS_NE
        or      eax, CR0_MP
        mov     cr0, rax
        sti

        fninit
        push    0x37b                           # divisions by zero are not masked
        fldcw   [rsp]
        pop     rax
        fld1
        fldz
        fdivp   st(1), st
        fwait
        mov     rax, [rip + count]
        call    put_decimal
        print   " IRQ 13\n"
        cmp     qword ptr [rip + count], 1
        jne     1f
        power_off
1:      exit_with 1

on_error:
        inc     qword ptr [rip + count]
        push    rax
        xor     eax, eax
        out     COPROCESSOR, al
        fnclex
        mov     al, EOI
        out     PIC2, al
        out     PIC1, al
        pop     rax
        iretq

        .bss
count:  .skip   8
