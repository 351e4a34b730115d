# Echoes the serial line, both ways by interrupts, until Ctrl-D or a line "quit".
#
# The handler moves received bytes into a ring and sends from it while the transmitter has room; the main line sleeps.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    RING_SIZE, 256          # one byte indices wrap by themselves
        .equ    CTRL_D, 4

        .globl  start
start:
        call    serial_init
        print   "echo: type, end with Ctrl-D or a line \"quit\"\n"
        call    interrupts_init
        gate    IRQ_BASE + 4, on_serial
        unmask_irqs 0xef
        mov     dx, UART_IER
        mov     al, 1                   # received data
        out     dx, al
sleep:
        cli
        cmp     byte ptr [rip + finished], 0
        je      1f
        mov     al, [rip + head]        # and everything is sent
        cmp     al, [rip + tail]
        je      done
1:      sti
        hlt
        jmp     sleep
done:
        mov     dx, UART_IER
        xor     eax, eax
        out     dx, al
        print   "\nbye\n"
        power_off

on_serial:
        push    rax
        push    rbx
        push    rcx
        push    rdx
        push    rsi
        push    rdi
1:      mov     dx, UART_IIR
        in      al, dx
        test    al, 1                   # no interrupt is pending
        jnz     2f
        and     eax, 0x0e
        cmp     al, 2
        je      3f
        call    receive                 # 4 received data, 12 character time-out
        jmp     1b
3:      call    transmit
        jmp     1b
2:      mov     al, EOI
        out     PIC1, al
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rbx
        pop     rax
        iretq

# Takes what the UART has received, and has the transmitter ask for it.
receive:
        mov     dx, UART_LSR
        in      al, dx
        test    al, 1
        jz      1f
        mov     dx, UART
        in      al, dx
        cmp     al, CTRL_D
        je      2f
        call    follow_quit
        cmp     al, '\r'                # terminals send CR for the return key
        jne     3f
        mov     al, '\n'
3:      lea     rdi, [rip + ring]
        movzx   ecx, byte ptr [rip + tail]
        mov     [rdi + rcx], al
        inc     byte ptr [rip + tail]
        jmp     receive
2:      mov     byte ptr [rip + finished], 1
        jmp     receive
1:      mov     dx, UART_IER
        mov     al, 3                   # received data, transmitter empty
        out     dx, al
        ret

# Sends one byte of the ring; when there is none, transmitter interrupts end.
transmit:
        movzx   ecx, byte ptr [rip + head]
        cmp     cl, [rip + tail]
        je      1f
        lea     rsi, [rip + ring]
        mov     al, [rsi + rcx]
        inc     byte ptr [rip + head]
        mov     dx, UART
        out     dx, al
        ret
1:      mov     dx, UART_IER
        mov     al, 1
        out     dx, al
        ret

# Follows the character in al through a line "quit"; `matched` is how much of it has come, 5 when the line is another.
follow_quit:
        movzx   ecx, byte ptr [rip + matched]
        cmp     al, '\n'
        je      1f
        cmp     al, '\r'
        je      1f
        lea     rsi, [rip + word_quit]
        cmp     ecx, 4
        jae     2f
        cmp     al, [rsi + rcx]
        jne     2f
        inc     byte ptr [rip + matched]
        ret
2:      mov     byte ptr [rip + matched], 5
        ret
1:      cmp     ecx, 4
        jne     3f
        mov     byte ptr [rip + finished], 1
3:      mov     byte ptr [rip + matched], 0
        ret

        .section .rodata
word_quit:
        .ascii  "quit"
        .bss
ring:   .skip   RING_SIZE
head:   .skip   1                       # next byte to send
tail:   .skip   1                       # next free byte
matched:
        .skip   1
finished:
        .skip   1
