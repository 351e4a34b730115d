import Support
import Testing

/// 16- and 32-bit code: gdb is told the architecture that fits the place where it connects.
@Suite(.enabled(if: Debugger.isAvailable, "gdb is not installed"))
struct NarrowCodeTests {
  let folder = TemporaryFolder()

  /// A multiboot image: some 32-bit code that goes to real mode, which ends the run.
  private static let source = """
            .set    MAGIC, 0x1badb002
            .set    FLAGS, 1 << 16
            .code32
            .globl  _start
    image:  .long   MAGIC, FLAGS, -(MAGIC + FLAGS), image, image, image_end, image_end, _start
    _start: mov     $0x12345678, %eax
            mov     $3, %ecx
    1:      add     $0x1111, %eax
            loop    1b
            lgdt    gdt_pointer
            mov     $real, %esi
            mov     $0x7000, %edi
            mov     $(real_end - real), %ecx
            rep     movsb
            ljmp    $0x08, $0x7000
            .code16
    real:   mov     %cr0, %eax
            and     $0xfe, %al
            mov     %eax, %cr0
            ljmp    $0x0700, $(1f - real)
    1:      mov     $0xabcd, %ax
            mov     $0x0700, %dx
            mov     %dx, %ds
            incw    (word - real)
            inc     %ax
            mov     $0, %al
            out     %al, $0xf4
            hlt
    word:   .word   0x4141
    real_end:
            .balign 8
    gdt:    .quad   0, 0x00009b000000ffff
    gdt_pointer:
            .word   gdt_pointer - gdt - 1
            .long   gdt
    image_end:

    """

  private func record(in folder: TemporaryFolder) -> String {
    let (object, image, trace) = (folder.file("guest.o"), folder.file("guest.bin"), folder.file("guest.trace"))
    let source = folder.write(Array(NarrowCodeTests.source.utf8), to: "guest.s")
    let commands = [
      ["as", "--32", "-o", object, source],
      ["ld", "-m", "elf_i386", "-Ttext", "0x100000", "--oformat", "binary", "-o", image, object],
    ]
    for command in commands {
      let result = CommandRunner.run("/usr/bin/env", command)
      #expect(result.status == 0, "\(result.errors)")
    }
    let result = CommandRunner.chronovisor("record", "--engine", "software", "-o", trace, image)
    #expect(result.status == 1, "0 at the debug-exit port: \(result.errors)")
    return trace
  }

  @Test func thirtyTwoBits() {
    let output = Debugger.run(
      record(in: folder),
      [
        "show architecture", "info registers eip cr0 gdtr_limit", "x/3i $pc", "stepi", "stepi 7", "print/x $eax",
        "reverse-stepi 3", "print/x $eax", "break *0x100031", "reverse-continue", "continue",
      ])
    expect(
      [
        "0x00100020 in ?? ()", "(currently \"i386\")", "eip            0x100020", "[ PE ET ]", "gdtr_limit     0x27",
        "mov    $0x12345678,%eax", "add    $0x1111,%eax", "$1 = 0x123489ab", "$2 = 0x1234789a",
        "No more reverse-execution history.", "Breakpoint 1, 0x00100031",
      ], in: output)
  }

  @Test func sixteenBits() {
    let output = Debugger.run(
      record(in: folder),
      [
        "show architecture", "x/i $pc", "reverse-stepi 3", "x/3i $pc", "info registers eax eip cs cs_base cr0",
        "watch *(short *) 0x701f", "reverse-continue", "x/i $pc",
      ], options: ["--goto", "end"])
    expect(
      [
        "(currently \"i8086\")", "=> 0x701e:\thlt", "=> 0x7019:\tinc    %ax", "out    %al,$0xf4",
        "eax            0xabcd", "eip            0x7019", "cs             0x700", "cs_base        0x7000",
        "cr0            0x10", "Old value = 16706", "New value = 16705", "incw",
      ], in: output)
  }
}
