/// Which instructions beyond those of every 64-bit CPU the host has, so that translated code may use them.
struct HostFeatures {
  var ssse3 = false
  var sse41 = false
  var sse42 = false
  var movbe = false
  var popcnt = false
  var bmi1 = false
  var bmi2 = false
  var lzcnt = false
  /// C1 tells whether a result was rounded up: not on CPUs that are emulated.
  var x87 = false

  /// This host's.
  static let here = HostFeatures(asking: HostIdentification())

  /// Intel SDM vol. 2, CPUID. `nil` has none of them.
  private init(asking host: HostIdentification?) {
    guard let host else { return }
    if let basic = host.leaf(1)?.ecx {
      ssse3 = basic >> 9 & 1 != 0
      sse41 = basic >> 19 & 1 != 0
      sse42 = basic >> 20 & 1 != 0
      movbe = basic >> 22 & 1 != 0
      popcnt = basic >> 23 & 1 != 0
    }
    if let extended = host.leaf(7)?.ebx {
      bmi1 = extended >> 3 & 1 != 0
      bmi2 = extended >> 8 & 1 != 0
    }
    if let extended = host.leaf(0x8000_0001)?.ecx { lzcnt = extended >> 5 & 1 != 0 }
    let third = X87Status.c1 | 1 << 5
    x87 = host.statusOfThird & third == third
  }
}

/// CPUID and what the x87 does, which have no names in Swift, as code of their own.
private final class HostIdentification {
  private typealias Identify = @convention(c) (UInt32, UnsafeMutablePointer<UInt32>) -> Void
  private typealias Divide = @convention(c) () -> UInt32

  private let memory: CodeMemory
  /// Where the second function is.
  private let division: Int

  /// `nil` where there is no executable memory, and so no translated code.
  init?() {
    guard let memory = CodeMemory(size: 0x1000, wordCount: 0) else { return nil }
    self.memory = memory
    var code = Assembler(to: memory, at: 0)
    code.push(.rbx)
    code.move(.rax, .rdi, size: 4)
    code.alu(ALU.xor, .rcx, .register(.rcx), size: 4)
    // CPUID.
    code.word16(0xa20f)
    for (place, register) in [HostRegister.rax, .rbx, .rcx, .rdx].enumerated() {
      code.store(register, .memory(.rsi, Int32(4 * place)), size: 4)
    }
    code.pop(.rbx)
    code.byte(0xc3)
    division = code.position
    // FNCLEX, FLD1, FLD1, FADD ST0, ST0, FADD ST0, ST1, FDIVP ST1, ST0, FNSTSW AX, FSTP ST0.
    for word: UInt16 in [0xe2db, 0xe8d9, 0xe8d9, 0xc0d8, 0xc1d8, 0xf9de, 0xe0df, 0xd8dd] { code.word16(word) }
    code.byte(0xc3)
  }

  /// The status word behind 1 / 3, which is inexact and rounded up.
  var statusOfThird: UInt16 {
    let function = unsafeBitCast(memory.start + division, to: Divide.self)
    return UInt16(truncatingIfNeeded: function())
  }

  /// `nil` beyond the last one.
  func leaf(_ number: UInt32) -> (ebx: UInt32, ecx: UInt32)? {
    let last = ask(number & 0x8000_0000)[0]
    guard last >= number, last & 0x8000_0000 == number & 0x8000_0000 else { return nil }
    let words = ask(number)
    return (words[1], words[2])
  }

  private func ask(_ number: UInt32) -> [UInt32] {
    var words: [UInt32] = [0, 0, 0, 0]
    let function = unsafeBitCast(memory.start, to: Identify.self)
    words.withUnsafeMutableBufferPointer { function(number, $0.baseAddress.unsafelyUnwrapped) }
    return words
  }
}
