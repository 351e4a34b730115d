import Support
import Testing

@testable import Loaders

/// Symbols in a file of the other class, for debuggers.
@Suite struct ELFClassCopyTests {
  private let folder = TemporaryFolder()

  private func link(_ bits: Int, at address: String) -> [UInt8] {
    let source = """
              .text
              .globl  _start, counter
      _start: nop
      inner:  hlt
              .data
      counter:
              .long   5
      """
    let file = folder.write(Array((source + "\n").utf8), to: "code.s")
    let (object, image) = (folder.file("code.o"), folder.file("code.elf"))
    let emulation = bits == 32 ? "elf_i386" : "elf_x86_64"
    for command in [
      ["as", "--\(bits)", "-g", "-o", object, file], ["ld", "-m", emulation, "-Ttext", address, "-o", image, object],
    ] {
      let result = CommandRunner.run("/usr/bin/env", command)
      #expect(result.status == 0, "\(result.errors)")
    }
    return bytesOfFile(image)
  }

  /// What binutils reads: names and addresses, kinds, sections.
  private func symbols(_ bytes: [UInt8]) -> [String] {
    let result = CommandRunner.run("/usr/bin/env", ["nm", folder.write(bytes, to: "symbols.elf")])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    return result.output.split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      return words.count == 3
        ? ([String(UInt64(words[0], radix: 16) ?? 0)] + words[1...].map(String.init)).joined() : ""
    }
  }

  private func lines(_ bytes: [UInt8]) -> String {
    CommandRunner.run("/usr/bin/env", ["objdump", "--dwarf=decodedline", folder.write(bytes, to: "lines.elf")]).output
      .split(separator: "\n").dropFirst(2).joined(separator: "\n")
  }

  @Test(arguments: [32, 64]) func theCopyHasTheSameSymbols(bits: Int) throws {
    let original = link(bits, at: "0x100000")
    let copy = try #require(ELFClassCopy.make(of: original))
    #expect(copy[4] == (bits == 32 ? 2 : 1))
    #expect(symbols(original).count >= 3 && symbols(copy) == symbols(original))
    #expect(!lines(original).isEmpty && lines(copy) == lines(original))
    let back = try #require(ELFClassCopy.make(of: copy))
    #expect(back[4] == original[4] && symbols(back) == symbols(original))
  }

  @Test func whatLiesBeyond4GiBHasNoNarrowCopy() {
    #expect(ELFClassCopy.make(of: link(64, at: "0xffffffff80100000")) == nil)
  }

  /// Whatever is in the file: an answer, and no trap.
  @Test func damagedFiles() {
    var random = SeededRandom(seed: 7)
    for bits in [32, 64] {
      let original = link(bits, at: "0x100000")
      for length in [0, 1, 16, 51, 52, 63, 64, 100, original.count - 1] {
        _ = ELFClassCopy.make(of: Array(original.prefix(length)))
      }
      for _ in 0..<2000 {
        var damaged = original
        for _ in 0..<4 {
          let area = random.next() % 2 == 0 ? 0..<64 : (damaged.count - 1000)..<damaged.count
          let place = area.lowerBound + Int(random.next() % UInt64(area.count))
          damaged[place] = UInt8(truncatingIfNeeded: random.next())
        }
        _ = ELFClassCopy.make(of: damaged)
      }
    }
    #expect(ELFClassCopy.make(of: Array("no ELF file at all".utf8)) == nil)
  }
}
