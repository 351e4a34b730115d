internal import Foundation
internal import Support
import Testing
internal import VMMCore
internal import X86

/// 16- and 32-bit protected mode, against QEMU's CPU: what a guest prints that tries it all (Tests/Guests/protected).
@Suite struct ProtectedModeTests {
  private static let folder = SourceTree.root + "/Tests/Guests/protected"
  private static let qemu = "/usr/bin/qemu-system-x86_64"

  @Test func exceptionsGatesAndPagingAreQEMUs() throws {
    try withImage { image in
      let board = try EngineBoard(path: image)
      #expect(try board.run() == .exitStatus(1))
      let printed = String(
        decoding: board.log.compactMap { exit -> UInt8? in
          guard case .portWrite(0xe9, _, let value) = exit else { return nil }
          return UInt8(truncatingIfNeeded: value)
        }, as: UTF8.self)
      try compare(printed, "here")
    }
  }

  /// The oracle itself, where it is installed.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: qemu), "needs qemu-system-x86_64"))
  func theExpectationIsWhatQEMUPrints() throws {
    try withImage { image in
      let output = image + ".out"
      let result = CommandRunner.run(
        Self.qemu,
        [
          "-accel", "tcg", "-cpu", "max", "-m", "16", "-display", "none", "-nodefaults", "-no-reboot", "-debugcon",
          "file:" + output, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", image,
        ])
      #expect(result.status == 1, "\(result.errors)")
      try compare(String(contentsOfFile: output, encoding: .utf8), "QEMU")
    }
  }

  /// Line by line, without the spaces at the ends.
  private func compare(_ printed: String, _ who: String) throws {
    let expected = try lines(String(contentsOfFile: Self.folder + "/protected.expected", encoding: .utf8))
    let found = lines(printed)
    var name = ""
    for (number, line) in expected.enumerated() {
      if line.first != " " { name = line }
      let there = number < found.count ? found[number] : "nothing"
      #expect(there == line, "line \(number + 1), \(name): \(who) \(there)")
      if there != line && there.first != line.first { break }
    }
    #expect(found.count == expected.count)
  }

  private func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private func withImage(_ body: (String) throws -> Void) throws {
    try MultibootImage.make(Self.folder + "/protected.asm", body)
  }
}
