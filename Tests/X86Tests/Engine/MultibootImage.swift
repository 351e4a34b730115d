internal import Foundation
internal import Support
import Testing

/// A multiboot kernel of one assembly file, at 1 MiB.
enum MultibootImage {
  /// Assembles and links the source, calls `body` with the image's path, and removes it.
  static func make(_ source: String, _ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "chronovisor-multiboot-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (object, image) = (folder + "/guest.o", folder + "/guest.elf")
    let assembled = CommandRunner.run("/usr/bin/as", ["--32", "--fatal-warnings", "-o", object, source])
    try #require(assembled.status == 0, "\(assembled.errors)")
    let linked = CommandRunner.run(
      "/usr/bin/ld",
      [
        "-m", "elf_i386", "-N", "-static", "--no-warn-rwx-segments", "--build-id=none", "-Ttext=0x100000", "-e",
        "start", "-o", image, object,
      ])
    try #require(linked.status == 0, "\(linked.errors)")
    try body(image)
  }
}
