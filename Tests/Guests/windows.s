# Interrupts wait while they are off, and are on for a few instructions now and then: each such window must be used, by
# all that wait, the highest priority first. A step that fails says so and ends with status 3.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "window.inc"
        .include "apic.inc"

        .equ    VECTOR_TIMER, 0x30
        .equ    FAILED, 1
        .equ    TICKS, 5
        .equ    TURNS, 20000            # of which 5 ticks take some hundreds

# With interrupts off: the vectors that have been handled, one byte each, the last one lowest.
        .macro  handled vectors, name
        mov     rax, [rip + seen]
        mov     qword ptr [rip + seen], 0
        cmp     rax, \vectors
        je      9970f
        print   "missed: \name\n"
        exit_with FAILED
9970:
        .endm

        .macro  handler vector
on_\vector:
        shl     qword ptr [rip + seen], 8
        or      qword ptr [rip + seen], \vector
        mov     dword ptr [rbx + APIC_EOI], 0
        iretq
        .endm

# Ticks of a timer that goes on by itself, with `reads` exits and a long stretch without one between two windows.
        .macro  ticks reads, name
        mov     qword ptr [rip + seen], 0
        mov     ebp, TURNS
9972:   sti
        nop
        cli
        .rept   \reads
        mov     eax, [rbx + SPURIOUS]
        .endr
        mov     ecx, 2000
        loop    .
        cmp     byte ptr [rip + seen], TICKS
        jae     9973f
        dec     ebp
        jnz     9972b
        print   "missed: ticks, \name\n"
        exit_with FAILED
9973:
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    IRQ_BASE, on_line_0
        gate    0x31, on_0x31
        gate    0x32, on_0x32
        gate    VECTOR_TIMER, on_tick
        map_window APIC

        unmask_irqs 0xfe
        await_line_0
        sti
        nop
        cli
        handled IRQ_BASE, "8259A, STI"
        await_line_0
        push    0x202
        popfq
        cli
        handled IRQ_BASE, "8259A, POPF"
        unmask_irqs 0xff

        mov     dword ptr [rbx + SPURIOUS], 0x1ff
        send    0x31
        send    0x32
        sti
        nop
        cli
        handled 0x3231, "two, STI"
        send    0x31
        sti
        cli                             # the shadow of STI
        handled 0, "the shadow of STI"
        sti
        .rept   8
        nop
        .endr
        cli
        handled 0x31, "STI, eight instructions"
        send    0x31
        send    0x32
        push    0x202
        popfq
        cli
        handled 0x3231, "two, POPF"
        send    0x31
        return_to 1f
1:      cli
        handled 0x31, "IRET"

# The task priority holds class 3 back.
        mov     eax, 3
        mov     cr8, rax
        sti
        send    0x31
        xor     ecx, ecx
        mov     cr8, rcx
        mov     cr8, rax
        cli
        handled 0x31, "CR8"
        sti
        send    0x32
        mov     dword ptr [rbx + TPR], 0
        mov     dword ptr [rbx + TPR], 0x30
        cli
        handled 0x32, "TPR"
        mov     cr8, rcx
        handled 0, "CR8 while interrupts are off"

        mov     dword ptr [rbx + LVT_TIMER], PERIODIC | VECTOR_TIMER
        mov     dword ptr [rbx + DIVIDE], 0xb
        mov     dword ptr [rbx + INITIAL], 2000000
        ticks   0, "no exits"
        ticks   10, "ten exits"
        print   "all windows were used\n"
        power_off

        handler 0x31
        handler 0x32
on_line_0:
        push    rax
        shl     qword ptr [rip + seen], 8
        or      qword ptr [rip + seen], IRQ_BASE
        mov     al, EOI
        out     PIC1, al
        pop     rax
        iretq
on_tick:
        inc     qword ptr [rip + seen]
        mov     dword ptr [rbx + APIC_EOI], 0
        iretq

        .bss
        .balign 8
seen:   .skip   8
