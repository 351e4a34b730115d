# Sends itself an NMI by the local APIC, and another one from the handler, which waits until IRETQ lifts the mask. Prints
# whether the second one came right behind IRETQ, where the first one had interrupted, or late; ends with status 3 (code
# 1) when it does not come.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "window.inc"

        .equ    NO_NMI, 1
        .equ    APIC, 0xfee00000        # physical
        .equ    ICR, 0x300              # interrupt command, low half
        .equ    NMI_TO_SELF, 0x40400

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    2, on_nmi
        map_window APIC
        mov     ebp, 50000
        mov     dword ptr [rbx + ICR], NMI_TO_SELF
1:      in      al, POST
        cmp     dword ptr [rip + nmis], 2
        je      2f
        dec     ebp
        jnz     1b
        print   "none came\n"
        exit_with NO_NMI
2:      print   "NMIs: 2, late: "
        mov     eax, [rip + late]
        call    put_decimal
        print   "\n"
        power_off

on_nmi:
        push    rax
        inc     dword ptr [rip + nmis]
        cmp     dword ptr [rip + nmis], 1
        jne     2f
        mov     dword ptr [rbx + ICR], NMI_TO_SELF
        mov     rax, [rsp + 8]
        mov     [rip + place], rax
        mov     eax, 20
1:      out     POST, al
        dec     eax
        jnz     1b
        pop     rax
        iretq
2:      mov     rax, [rsp + 8]
        cmp     rax, [rip + place]
        setne   byte ptr [rip + late]
        pop     rax
        iretq

        .bss
        .balign 8
place:  .skip   8
nmis:   .skip   4
late:   .skip   4
