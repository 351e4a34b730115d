# Touches one page after another in user mode, each for the first time: at every tick of the timer the kernel makes
# all of them untouched again (accessed and dirty bits off, and what the CPU remembers forgotten). So an interrupt
# comes, as a rule, at an instruction whose page the CPU has looked up, and marked, already. After 20 ticks (or as many
# as the command line says) the handler powers off. All pages are one frame.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "user.inc"

        .equ    BASE, 1 << 30
        .equ    TABLES, 128
        .equ    PAGES, TABLES * 512
        .equ    PRESENT_WRITABLE_USER, 7
        .equ    TOUCHED, 0x60           # accessed and dirty

        .globl  start
start:
        mov     eax, 20
        call    parse_number
        mov     [rip + wanted], rax
        call    serial_init
        print   "touching fresh pages\n"
        call    interrupts_init
        call    user_init
        call    map_pages
        gate    IRQ_BASE + 0, on_timer
        timer   50
        unmask_irqs 0xfe
        enter_user touch, user_stack_top

# Maps PAGES pages from BASE on, the second GiB, to the frame.
map_pages:
        lea     rdx, [rip + tables]
        lea     rax, [rip + frame]
        or      rax, PRESENT_WRITABLE_USER
        mov     ecx, PAGES
1:      mov     [rdx + 8 * rcx - 8], rax
        loop    1b
        or      rdx, PRESENT_WRITABLE_USER
        lea     rdi, [rip + directory]
        mov     ecx, TABLES
2:      mov     [rdi], rdx
        add     rdi, 8
        add     rdx, 4096
        loop    2b
        lea     rax, [rip + directory + PRESENT_WRITABLE_USER]
        mov     rsi, cr3
        mov     rsi, [rsi]
        and     rsi, ~0xfff
        mov     [rsi + 8], rax
        ret

touch:  mov     rdi, BASE
        mov     ecx, PAGES
1:      mov     [rdi], ecx
        add     rdi, 4096
        dec     ecx
        jnz     1b
        jmp     touch

on_timer:
        push    rax
        push    rcx
        push    rdx
        mov     al, EOI
        out     PIC1, al
        lea     rdx, [rip + tables]
        mov     ecx, PAGES
1:      and     byte ptr [rdx + 8 * rcx - 8], ~TOUCHED
        loop    1b
        mov     rax, cr3
        mov     cr3, rax
        inc     qword ptr [rip + ticks]
        mov     rax, [rip + wanted]
        cmp     [rip + ticks], rax
        jae     2f
        pop     rdx
        pop     rcx
        pop     rax
        iretq
2:      print   "interrupts came\n"
        power_off

        .bss
        .balign 8
ticks:  .skip   8
wanted: .skip   8
        .balign 4096
frame:  .skip   4096
directory:
        .skip   4096
tables: .skip   TABLES * 4096
