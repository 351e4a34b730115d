internal import Foundation
internal import Glibc
internal import Support

/// A machine of QEMU's translator with Tests/Guests/fuzz/harness.s in it: it shares its memory with this process, and
/// answers each byte that it is sent with one, when it has done what that asked for.
@safe
final class QEMUGuest {
  static let program = "/usr/bin/qemu-system-x86_64"
  static let isInstalled = [program, "/usr/bin/setpriv"].allSatisfy {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  /// It has ended (a triple fault), or does not answer.
  struct Silence: Error, CustomStringConvertible {
    var description: String
    var isEnd = false
  }

  // As in harness.s.
  static let input = 0x180_0000
  static let output = 0x180_4000
  static let image = 0x200_0000
  static let window = 0x190_0000
  static let tables = 0x170_0000
  static let scratch = 0x9400
  /// Where handlers of flat and of 64-bit code go on.
  private static let entries = 0x100_000c

  private static let size = 64 << 20
  /// A guest that has not answered by then never will.
  private static let patience: Int32 = 10_000

  /// What no program and no handler stores to: all below the program's code, but for the tables that the guest itself
  /// renews, the kernel's stack and `scratch`.
  private static let kept = [0..<0x2000, 0x4000..<0x5000, 0x7000..<0x9000, 0xa000..<0x2_c000]
  private var loaded: [[UInt8]] = []

  private let base: UnsafeMutableRawPointer
  private let process = Process()
  private let (toGuest, fromGuest) = (Pipe(), Pipe())

  init() throws {
    let folder = TemporaryFolder()
    let file = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm/\(UUID().uuidString)" : folder.file("ram")
    let descriptor = unsafe open(file, O_RDWR | O_CREAT | O_EXCL, 0o600)
    defer {
      close(descriptor)
      unsafe unlink(file)
    }
    guard descriptor >= 0, ftruncate(descriptor, Self.size) == 0,
      let mapped = unsafe mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      unsafe mapped != MAP_FAILED
    else { throw Silence(description: "no memory to share with QEMU: \(file)") }
    unsafe base = mapped
    // It ends with this process, however that ends.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
    process.arguments = [
      "--pdeathsig", "KILL", Self.program, "-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", "64M", "-object",
      "memory-backend-file,id=ram,size=64M,mem-path=\(file),share=on", "-machine", "memory-backend=ram", "-nodefaults",
      "-display", "none", "-no-reboot", "-device", "isa-debug-exit", "-chardev", "stdio,id=line", "-device",
      "isa-serial,chardev=line", "-kernel", try Self.assemble(folder),
    ]
    process.standardInput = toGuest
    process.standardOutput = fromGuest
    process.standardError = FileHandle.nullDevice
    try process.run()
    try awaitAnswer()
  }

  deinit {
    // SIGTERM may be blocked where this process was started, and then there, too.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    unsafe munmap(base, Self.size)
  }

  private static func assemble(_ folder: TemporaryFolder) throws -> String {
    let source = SourceTree.root + "/Tests/Guests/fuzz/harness.s"
    let (object, image) = (folder.file("harness.o"), folder.file("harness.elf"))
    let link = [
      "-m", "elf_i386", "-N", "-static", "--no-warn-rwx-segments", "--build-id=none", "-Ttext=0x1000000", "-e", "start",
      "-o", image, object,
    ]
    for (tool, arguments) in [("as", ["--32", "--fatal-warnings", "-o", object, source]), ("ld", link)] {
      let result = CommandRunner.run("/usr/bin/" + tool, arguments)
      guard result.status == 0 else { throw Silence(description: result.errors) }
    }
    return image
  }

  // MARK: Talking

  /// Loads low memory from `image`.
  func load() throws {
    try send("L")
    loaded = Self.kept.map { bytes($0.lowerBound, $0.count) }
  }

  /// A program has written where none should: QEMU minds no limits of segments, and a stack may be anywhere.
  var isDamaged: Bool {
    zip(Self.kept, loaded).contains { range, expected in
      unsafe expected.withUnsafeBytes {
        unsafe memcmp($0.baseAddress!, base + range.lowerBound, range.count) != 0
      }
    }
  }

  /// Runs the program that `input` describes.
  func run() throws { try send("R") }

  private func send(_ command: Character) throws {
    try toGuest.fileHandleForWriting.write(contentsOf: Data(String(command).utf8))
    try awaitAnswer()
  }

  private func awaitAnswer() throws {
    var waiting = pollfd(fd: fromGuest.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&waiting, 1, Self.patience) > 0 else { throw Silence(description: "it does not answer") }
    guard try fromGuest.fileHandleForReading.read(upToCount: 1)?.count == 1 else {
      throw Silence(description: "it has ended, as after a triple fault", isEnd: true)
    }
  }

  // MARK: Memory

  var flatEntry: UInt32 { word32(Self.entries) }
  var longEntry: UInt32 { word32(Self.entries + 4) }

  func word(_ address: Int) -> UInt64 { unsafe base.loadUnaligned(fromByteOffset: address, as: UInt64.self) }
  func word32(_ address: Int) -> UInt32 { unsafe base.loadUnaligned(fromByteOffset: address, as: UInt32.self) }

  func bytes(_ address: Int, _ count: Int) -> [UInt8] {
    unsafe [UInt8](UnsafeRawBufferPointer(start: base + address, count: count))
  }

  func store(_ value: some FixedWidthInteger, _ address: Int) {
    unsafe base.storeBytes(of: value, toByteOffset: address, as: type(of: value))
  }

  func store(_ bytes: [UInt8], _ address: Int) {
    unsafe bytes.withUnsafeBytes { unsafe (base + address).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
}
