# Interrupts that user mode gets: those that wait when IRET goes there, and those that it sends itself, vectors 32 and
# 33. Each has to come at the first place, the highest priority first. A step that fails says so and ends with status 3.
        .include "machine.inc"
        .include "interrupts.inc"
        .include "window.inc"
        .include "apic.inc"
        .include "places.inc"
        .include "user.inc"

        .equ    ROUNDS, 4

        .macro  handler vector
on_\vector:
        push    rax
        shl     qword ptr [rip + seen], 8
        or      qword ptr [rip + seen], \vector
        mov     rax, [rsp + 8]
        cmp     rax, [rip + place]
        jne     1f
        cmp     word ptr [rsp + 16], USER_CS
        je      2f
1:      or      byte ptr [rip + seen + 7], MISPLACED
2:      mov     dword ptr [rbx + APIC_EOI], 0
        pop     rax
        iretq
        .endm

        .globl  start
start:
        call    serial_init
        call    interrupts_init
        gate    32, on_32
        gate    33, on_33
        map_window APIC
        call    user_init
        gate    3, on_call, GATE_USER
        mov     dword ptr [rbx + SPURIOUS], 0x1ff
        mov     r15d, ROUNDS
        send    32
        send    33
        expect_at user
        enter_user user, user_stack_top

user:   handled 0x2120, "IRET to user mode"
round:  mov     ecx, r15d
        imul    ecx, ecx, 137
        loop    .
        expect_at 1f
        send    32
1:      nop
        handled 0x20, "ICR"
        expect_at 1f
        send    33
1:      handled 0x21, "ICR, nothing behind it"
        mov     dword ptr [rbx + TPR], 0x20
        send    32
        send    33
        nop
        handled 0, "held back by TPR"
        expect_at 1f
        mov     dword ptr [rbx + TPR], 0
1:      handled 0x2120, "TPR"
        expect_at 1f
        int3
1:      handled 0x2120, "requests of a system call"
        dec     r15d
        jnz     round
        print   "every interrupt came where it must\n"
        int3
        exit_with FAILED

# With interrupts off: sends both; in the last round it powers off.
on_call:
        test    r15d, r15d
        jnz     1f
        power_off
1:      send    32
        send    33
        iretq

        handler 32
        handler 33

        .bss
        .balign 8
seen:   .skip   8
place:  .skip   8
