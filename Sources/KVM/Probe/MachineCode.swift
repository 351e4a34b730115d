/// A few x86-64 instructions as bytes, for probe guests and tests (Intel SDM vol. 2). Pieces are joined with `+`.
package enum MachineCode {
  /// General registers by number.
  package enum Register: UInt8, Sendable {
    case rax = 0
    case rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    var low: UInt8 { rawValue & 7 }
    var high: UInt8 { rawValue >> 3 }
  }

  private static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) }
  }

  /// MOV r64, imm64.
  package static func mov(_ register: Register, _ value: UInt64) -> [UInt8] {
    [0x48 | register.high, 0xb8 | register.low] + littleEndian(value)
  }
  /// MOV r64, r64.
  package static func mov(_ to: Register, _ from: Register) -> [UInt8] {
    [0x48 | from.high << 2 | to.high, 0x89, 0xc0 | from.low << 3 | to.low]
  }
  /// INC r64.
  package static func inc(_ register: Register) -> [UInt8] {
    [0x48 | register.high, 0xff, 0xc0 | register.low]
  }
  /// PUSH r64.
  package static func push(_ register: Register) -> [UInt8] {
    (register.high == 1 ? [0x41] : []) + [0x50 | register.low]
  }
  /// POP r64.
  package static func pop(_ register: Register) -> [UInt8] {
    (register.high == 1 ? [0x41] : []) + [0x58 | register.low]
  }
  /// MOV [rdi], rax, of 1, 2, 4 or 8 bytes.
  package static func storeRAX(size: Int) -> [UInt8] {
    switch size {
    case 1: [0x88, 0x07]
    case 2: [0x66, 0x89, 0x07]
    case 4: [0x89, 0x07]
    default: [0x48, 0x89, 0x07]
    }
  }
  /// MOV rax, [rsi], of 1, 2, 4 or 8 bytes.
  package static func loadRAX(size: Int) -> [UInt8] {
    switch size {
    case 1: [0x8a, 0x06]
    case 2: [0x66, 0x8b, 0x06]
    case 4: [0x8b, 0x06]
    default: [0x48, 0x8b, 0x06]
    }
  }
  /// OUT imm8, AL.
  package static func out(_ port: UInt8) -> [UInt8] { [0xe6, port] }
  /// OUT imm8, EAX.
  package static func out32(_ port: UInt8) -> [UInt8] { [0xe7, port] }
  /// MOV [device + number], EAX: an exit with a number that no I/O permission stands in the way of.
  package static func report(_ number: UInt8) -> [UInt8] {
    [0x89, 0x04, 0x25] + littleEndian(UInt32(ProbeGuest.device) + UInt32(number))
  }
  /// IN AL, imm8.
  package static func input(_ port: UInt8) -> [UInt8] { [0xe4, port] }
  /// JMP rel8 to `offset` bytes from the instruction's own begin.
  package static func jump(_ offset: Int8) -> [UInt8] { [0xeb, UInt8(bitPattern: offset &- 2)] }
  /// DEC rcx; JNZ back over `bytes` bytes and the DEC: ends a counted loop whose body has that length.
  package static func loop(over bytes: Int) -> [UInt8] {
    [0x48, 0xff, 0xc9, 0x75, UInt8(truncatingIfNeeded: -(bytes + 5))]
  }

  package static let nop: [UInt8] = [0x90]
  package static let hlt: [UInt8] = [0xf4]
  package static let sti: [UInt8] = [0xfb]
  package static let cli: [UInt8] = [0xfa]
  package static let iretq: [UInt8] = [0x48, 0xcf]
  package static let cpuid: [UInt8] = [0x0f, 0xa2]
  package static let rdtsc: [UInt8] = [0x0f, 0x31]
  package static let rdmsr: [UInt8] = [0x0f, 0x32]
  package static let wrmsr: [UInt8] = [0x0f, 0x30]
  package static let syscall: [UInt8] = [0x0f, 0x05]
  package static let sysretq: [UInt8] = [0x48, 0x0f, 0x07]
  package static let ud2: [UInt8] = [0x0f, 0x0b]
  package static let repInsB: [UInt8] = [0xf3, 0x6c]
  package static let repInsD: [UInt8] = [0xf3, 0x6d]
  package static let repOutsB: [UInt8] = [0xf3, 0x6e]
  package static let repMovsB: [UInt8] = [0xf3, 0xa4]
  package static let repStosB: [UInt8] = [0xf3, 0xaa]

  /// Enters user mode at `entry` with `stack` and RFLAGS `flags`, by IRETQ; uses RAX.
  package static func enterUser(entry: UInt64, stack: UInt64, flags: UInt64 = 0x202) -> [UInt8] {
    let frame: [UInt64] = [UInt64(ProbeGuest.userData), stack, flags, UInt64(ProbeGuest.userCode), entry]
    return frame.flatMap { mov(.rax, $0) + push(.rax) } + iretq
  }
}
