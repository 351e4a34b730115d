import Support
import Testing
import VMMCore

@testable import Loaders

/// A kernel's entry code found by its symbols, and call frame information read as the compiler wrote it. What unwinding
/// by it comes to, gdb's backtraces show.
@Suite struct LinuxEntryCodeTests {
  /// A small ELF file: code at 0x1000, symbols, and .debug_frame.
  private func file(
    code: [UInt8], symbols: [(name: String, address: UInt64, size: UInt64)], frames: [UInt8] = []
  ) -> [UInt8] {
    var strings: [UInt8] = [0]
    var table = [UInt8](repeating: 0, count: 24)
    for symbol in symbols {
      table.append(little: UInt32(strings.count))
      table += [0x12, 0, 1, 0]
      table.append(little: symbol.address)
      table.append(little: symbol.size)
      strings += Array(symbol.name.utf8) + [0]
    }
    let names = Array("\0.debug_frame\0".utf8)
    let parts: [(type: UInt32, name: UInt32, address: UInt64, bytes: [UInt8], link: UInt32)] = [
      (1, 0, 0x1000, code, 0), (2, 0, 0, table, 3), (3, 0, 0, strings, 0), (1, 1, 0, frames, 0), (3, 0, 0, names, 0),
    ]
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 57)
    var headers = [UInt8](repeating: 0, count: 64)
    for part in parts {
      headers.append(little: part.name)
      headers.append(little: part.type)
      for field in [0, part.address, UInt64(bytes.count), UInt64(part.bytes.count)] { headers.append(little: field) }
      headers.append(little: part.link)
      headers += [UInt8](repeating: 0, count: 20)
      bytes += part.bytes
    }
    bytes.put(UInt64(bytes.count), at: 40)
    bytes.put(UInt16(6), at: 60)
    bytes.put(UInt16(5), at: 62)
    return bytes + headers
  }

  /// The entry code with two calls (one that only looks like it), a fork whose thread part is known, a system call.
  private var kernel: [UInt8] {
    var code = [UInt8](repeating: 0x90, count: 0x200)
    // 0x1000: call 0x1180; 0x1010: call to where no function is.
    code.replaceSubrange(0..<5, with: [0xe8, 0x7b, 0x01, 0, 0])
    code.replaceSubrange(0x10..<0x15, with: [0xe8, 0x7c, 0x01, 0, 0])
    // ret_from_fork at 0x1100: TEST RBX, RBX; JNE +8.
    code.replaceSubrange(0x104..<0x109, with: [0x48, 0x85, 0xdb, 0x75, 0x08])
    // common_interrupt at 0x1140: PUSH RBP; MOV RBP, RSP; CALL 0x1180.
    code.replaceSubrange(0x140..<0x149, with: [0x55, 0x48, 0x89, 0xe5, 0xe8, 0x37, 0, 0, 0])
    return file(
      code: code,
      symbols: [
        ("__entry_text_start", 0x1000, 0), ("entry_SYSCALL_64", 0x1040, 0x40), ("__entry_text_end", 0x1100, 0),
        ("ret_from_fork", 0x1100, 0x20), ("common_interrupt", 0x1140, 0x10), ("handler", 0x1180, 0x10),
        ("startup_64", 0x1190, 0x10),
      ], frames: frames)
  }

  /// A common entry, and one for common_interrupt: the frame's begin by RSP, and from byte 4 on by RBP.
  private var frames: [UInt8] {
    var bytes: [UInt8] = [0x14, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1]
    bytes += [UInt8](repeating: 0, count: 24 - bytes.count)
    let own: [UInt8] = [0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x45, 0x83, 3, 0]
    bytes.append(little: UInt32(4 + 16 + own.count))
    bytes.append(little: UInt32(0))
    bytes.append(little: UInt64(0x1140))
    bytes.append(little: UInt64(0x10))
    return bytes + own
  }

  @Test func whatIsWhere() throws {
    let code = LinuxEntryCode(kernel: KernelELF(kernel))
    #expect(code.systemCalls == [0x1040..<0x1080])
    #expect(code.entries == [0x1000..<0x1040, 0x1080..<0x1100, 0x10ff..<0x1111])
    #expect(code.begins == [0x1190..<0x11a0, 0x1111..<0x1120])
    #expect(code.returns == [0x1005])
    let point = try #require(code.stackSwitches.first)
    #expect(code.stackSwitches.count == 1 && point.address == 0x1149)
    // Right before 0x1149: the common entry's, and what holds from bytes 1 and 4 on; no advance, nothing behind it.
    #expect(point.instructions == [0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0, 0x0e, 16, 0x86, 2, 0x0d, 6])
  }

  /// Nothing here is a kernel, or may be damaged anywhere: no trap.
  @Test func damagedFiles() {
    #expect(LinuxEntryCode(kernel: KernelELF([])).entries.isEmpty)
    #expect(LinuxEntryCode(kernel: KernelELF(Array(kernel.prefix(200)))).entries.isEmpty)
    var random = SeededRandom(seed: LongTests.seed)
    var different = 0
    for _ in 0..<(LongTests.areOn ? 200_000 : 5_000) {
      var bytes = kernel
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      if random.oneIn(10) { bytes.removeLast(random.below(bytes.count)) }
      different += LinuxEntryCode(kernel: KernelELF(bytes)).stackSwitches.isEmpty ? 1 : 0
    }
    #expect(different > 0)
  }
}
