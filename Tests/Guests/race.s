# Loses an update now and then: a counter that the main line increments and the timer's interrupt handler adds 16 to.
#
# The main line's increment is a load, an addition and a store. What the handler adds between load and store is lost,
# because the store overwrites it. After 6 interrupts (or as many as the command line says) the guest compares the
# counter with what was added: success powers off, a lost update ends the run with status 3 (code 1), which happens in
# a few runs in a hundred.
#
# One round in 64 looks at a port between load and store, as a driver might that reads a status register before it
# commits: without it the window would hardly ever be hit on a host that runs a round in a microsecond.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    LOST_UPDATE, 1
        .equ    STEP, 16                # what the handler adds

        .globl  start
start:
        mov     eax, 6
        call    parse_number
        mov     rbx, rax                # interrupts wanted
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE + 0, on_timer
        print   "race: "
        mov     rax, rbx
        call    put_decimal
        print   " interrupts\n"
        timer   1000
        unmask_irqs 0xfe
        xor     ebp, ebp                # rounds done
        sti
round:
        call    work
        call    increment
        inc     rbp
        cmp     [rip + ticks], rbx
        jb      round
        cli

        imul    rax, [rip + ticks], STEP
        add     rax, rbp
        cmp     rax, [rip + counter]
        jne     lost
        print   "no update was lost\n"
        power_off
lost:
        sub     rax, [rip + counter]
        push    rax
        print   "LOST UPDATES: "
        pop     rax
        shr     rax, 4
        call    put_decimal
        print   "\n"
        exit_with LOST_UPDATE

# The work of a round: reads a port and sums up a table.
work:
        in      al, POST
        movzx   eax, al
        lea     rsi, [rip + table]
        mov     ecx, 64
1:      add     rax, [rsi + rcx * 8 - 8]
        dec     ecx
        jnz     1b
        mov     [rip + sum], rax
        ret

# counter += 1, the wrong way.
increment:
        test    bpl, 63
        jz      1f
        mov     rdi, [rip + counter]    # load
        inc     rdi
        mov     [rip + counter], rdi    # store
        ret
1:      mov     rdi, [rip + counter]    # load
        in      al, POST
        inc     rdi
        mov     [rip + counter], rdi    # store
        ret

on_timer:
        push    rax
        add     qword ptr [rip + counter], STEP
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
ticks:  .skip   8                       # interrupts taken
sum:    .skip   8
table:  .skip   64 * 8
