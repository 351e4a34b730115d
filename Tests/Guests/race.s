# Loses an update now and then: a counter that both the main line and the timer's interrupt handler increment.
#
# The main line's increment is a load, an addition and a store. An interrupt between load and store is lost, because
# the store overwrites what the handler wrote. After 1500 rounds (or as many as the command line says) the guest
# compares the counter with what was added: success powers off, a lost update ends the run with status 3 (code 1).
#
# One round in 64 looks at a port between load and store, as a driver might that reads a status register before it
# commits: it widens the window on hosts that deliver interrupts only where the guest exits.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    LOST_UPDATE, 1

        .globl  start
start:
        mov     eax, 1500
        call    parse_number
        mov     rbx, rax                # rounds
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        timer   1000
        unmask_irqs 0xfe
        print   "race: "
        mov     rax, rbx
        call    put_decimal
        print   " rounds\n"
        xor     ebp, ebp                # rounds done
        sti
round:
        in      al, POST                # the work of a round
        call    increment
        inc     rbp
        cmp     rbp, rbx
        jb      round
        cli

        mov     rax, rbp
        add     rax, [rip + ticks]
        cmp     rax, [rip + counter]
        jne     lost
        print   "no update was lost in "
        mov     rax, [rip + ticks]
        call    put_decimal
        print   " interrupts\n"
        power_off
lost:
        sub     rax, [rip + counter]
        push    rax
        print   "LOST UPDATE: "
        pop     rax
        call    put_decimal
        print   " of "
        mov     rax, [rip + ticks]
        call    put_decimal
        print   " interrupts\n"
        exit_with LOST_UPDATE

# counter += 1, the wrong way.
increment:
        mov     rdi, [rip + counter]    # load
        test    bpl, 63
        jnz     1f
        in      al, POST
1:      inc     rdi
        mov     [rip + counter], rdi    # store
        ret

on_timer:
        push    rax
        inc     qword ptr [rip + counter]
        inc     qword ptr [rip + ticks]
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq

        .bss
        .globl  counter
        .balign 8
counter:
        .skip   8
ticks:  .skip   8
