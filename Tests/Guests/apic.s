# The local APIC and the I/O APIC: the PIT through the I/O APIC, the APIC's timer, an interrupt to itself, task priority
# by CR8 and by TPR, and IA32_APIC_BASE. A step that fails ends with status 3.
        .include "machine.inc"
        .include "interrupts.inc"

        .equ    APIC, 0xfee00000
        .equ    IOAPIC, 0xfec00000
        .equ    APIC_TPR, APIC + 0x80
        .equ    APIC_PPR, APIC + 0xa0
        .equ    APIC_EOI, APIC + 0xb0
        .equ    APIC_SVR, APIC + 0xf0
        .equ    APIC_IRR2, APIC + 0x220         # requests of vectors 64 to 95
        .equ    APIC_ICR, APIC + 0x300
        .equ    APIC_TIMER, APIC + 0x320
        .equ    APIC_LINT0, APIC + 0x350
        .equ    APIC_INITIAL, APIC + 0x380
        .equ    APIC_CURRENT, APIC + 0x390
        .equ    APIC_DIVIDE, APIC + 0x3e0
        .equ    APIC_BASE, 0x1b                 # model-specific register
        .equ    APIC_ENABLED, 1 << 11
        .equ    MASKED, 1 << 16
        .equ    PERIODIC, 1 << 17
        .equ    TO_SELF, 1 << 18
        .equ    IOAPIC_WINDOW, IOAPIC + 0x10
        .equ    PIT_ENTRY, 0x14                 # the redirection entry of pin 2, low word
        .equ    VECTOR_PIT, 0x41
        .equ    VECTOR_TIMER, 0x52
        .equ    VECTOR_SELF, 0x63
        .equ    SPURIOUS, 0xff
        .equ    FAILED, 1

# Memory-mapped registers: ebx holds 32-bit addresses, since these are above 2 GiB.
        .macro  store register, value
        mov     ebx, \register
        mov     dword ptr [rbx], \value
        .endm
        .macro  fetch register
        mov     ebx, \register
        mov     eax, [rbx]
        .endm

# IOREGSEL and IOWIN
        .macro  ioapic index, value
        store   IOAPIC, \index
        store   IOAPIC_WINDOW, \value
        .endm

        .macro  check_equal register, value
        cmp     \register, \value
        jne     failed
        .endm

# Sleeps until a counter has a value.
        .macro  wait_for counter, value
9980:   cli
        cmp     dword ptr [rip + \counter], \value
        jae     9981f
        sti
        hlt
        jmp     9980b
9981:   sti
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    VECTOR_PIT, on_pit
        gate    VECTOR_TIMER, on_apic_timer
        gate    VECTOR_SELF, on_self
        gate    SPURIOUS, on_spurious
        call    map_registers
        call    check_cpuid

        store   APIC_LINT0, MASKED              # nothing comes from the 8259A
        store   APIC_SVR, 0x100 | SPURIOUS
        ioapic  PIT_ENTRY+1, 0                  # to APIC 0
        ioapic  PIT_ENTRY, VECTOR_PIT
        timer   100
        wait_for pits, 3
        ioapic  PIT_ENTRY, MASKED
        print   "three interrupts of the PIT through the I/O APIC\n"

        store   APIC_DIVIDE, 3                  # by 16
        store   APIC_TIMER, PERIODIC | VECTOR_TIMER
        store   APIC_INITIAL, 62500             # 1 ms
        wait_for timers, 3
        store   APIC_TIMER, MASKED
        print   "three interrupts of the APIC's timer\n"

        store   APIC_ICR, TO_SELF | VECTOR_SELF
        wait_for selves, 1
        print   "an interrupt to itself\n"

        call    check_priority
        call    check_base
        power_off

failed: cli
        print   "FAILED\n"
        exit_with FAILED

# The pages of both register blocks, in the fourth GiB: a page directory of its own.
map_registers:
        lea     rdi, [rip + directory]
        mov     eax, IOAPIC & ~0x1fffff
        or      eax, 0x93                       # 2 MiB, uncached, writable
        mov     [rdi + 0x1f6 * 8], rax
        mov     eax, APIC & ~0x1fffff
        or      eax, 0x93
        mov     [rdi + 0x1f7 * 8], rax
        mov     rax, cr3
        mov     rax, [rax]
        and     rax, ~0xfff
        or      rdi, 3
        mov     [rax + 3 * 8], rdi
        mov     rax, cr3
        mov     cr3, rax
        ret

check_cpuid:
        call    has_apic
        jz      failed
        ret

# The zero flag is clear when CPUID reports an APIC. Nothing else of CPUID stays: some hosts force bits of it.
has_apic:
        mov     eax, 1
        cpuid
        xor     eax, eax
        xor     ebx, ebx
        xor     ecx, ecx
        and     edx, 1 << 9
        ret

# A timer interrupt waits as long as the task priority's class is not below its own.
check_priority:
        mov     dword ptr [rip + timers], 0
        mov     eax, VECTOR_TIMER >> 4
        mov     cr8, rax
        fetch   APIC_TPR
        check_equal eax, VECTOR_TIMER & 0xf0
        call    timer_goes_off
        xor     eax, eax
        mov     cr8, rax
        wait_for timers, 1
        print   "CR8 held it back\n"

        store   APIC_TPR, 0x9c
        mov     rax, cr8
        check_equal eax, 9
        fetch   APIC_PPR
        check_equal eax, 0x9c
        call    timer_goes_off
        store   APIC_TPR, 0
        wait_for timers, 2
        mov     rax, cr8
        check_equal eax, 0
        print   "TPR held it back\n"
        ret

# Lets the timer go off once, and waits for the request; it must not be delivered.
timer_goes_off:
        mov     ebp, [rip + timers]
        store   APIC_TIMER, VECTOR_TIMER
        store   APIC_INITIAL, 1000
1:      fetch   APIC_IRR2
        test    eax, 1 << (VECTOR_TIMER & 31)
        jz      1b
        sti
        mov     ecx, 100
2:      dec     ecx
        jnz     2b
        cmp     ebp, [rip + timers]
        jne     failed
        ret

# Without an APIC its page is nobody's; and when it comes back it has been reset.
check_base:
        mov     ecx, APIC_BASE
        rdmsr
        check_equal eax, (APIC | 0x900)
        and     eax, ~APIC_ENABLED
        wrmsr
        fetch   APIC_SVR
        check_equal eax, -1
        call    has_apic
        jnz     failed
        mov     ecx, APIC_BASE
        rdmsr
        or      eax, APIC_ENABLED
        wrmsr
        fetch   APIC_SVR
        check_equal eax, 0xff
        fetch   APIC_LINT0
        check_equal eax, MASKED
        print   "switched off and on\n"
        ret

        .macro  handler counter
        push    rax
        push    rbx
        inc     dword ptr [rip + \counter]
        store   APIC_EOI, 0
        pop     rbx
        pop     rax
        iretq
        .endm

on_pit: handler pits
on_apic_timer:
        handler timers
on_self:
        handler selves
on_spurious:
        iretq

        .bss
        .balign 4096
directory:
        .skip   4096
pits:   .skip   4
timers: .skip   4
selves: .skip   4
