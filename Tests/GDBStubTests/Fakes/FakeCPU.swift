import VMMCore

/// One memory access of an instruction.
struct Access: Equatable {
  var address: UInt64
  var count: UInt64
  var isWrite: Bool
}

/// A 64-bit CPU that knows the few instructions of the fake guest, by their real encodings, and 64 KiB of memory.
struct FakeCPU: Equatable {
  static let memorySize: UInt64 = 0x1_0000
  var state = FakeCPU.initialState
  var memory = [UInt8](repeating: 0, count: Int(FakeCPU.memorySize))

  /// 64-bit mode, ring 0, with values that tests recognise.
  static var initialState: CPUState {
    var state = CPUState()
    state.rip = FakeProgram.start
    state.rsp = 0x8000
    state.rbp = 0x8000
    state.cs = Segment(selector: 0x10, base: 0, limit: 0xffff_ffff, attributes: 0xa09b)
    state.ss = Segment(selector: 0x18, base: 0, limit: 0xffff_ffff, attributes: 0xc093)
    state.efer = 1 << 8 | 1 << 10
    state.cr0 = 0x8000_0011
    state.cr3 = 0x3000
    state.cr4 = 0x20
    state.gs.base = 0xffff_8880_0000_1000
    state.kernelGSBase = 0x7fff_0000_1234
    state.gdtr = DescriptorTable(base: 0x6000, limit: 0x37)
    state.tr.selector = 0x28
    state.dr7 = 0x401
    state.gpr[15] = 0x1122_3344_5566_7788
    state.xmm[0] = 0x4045_0000_0000_0000
    return state
  }

  /// Executes one instruction: its accesses, or `nil` for HLT and for what is no instruction of ours.
  mutating func step() -> [Access]? {
    let rip = state.rip
    guard rip < FakeCPU.memorySize - 16 else { return nil }
    let code = Array(memory[Int(rip)..<(Int(rip) + 8)])
    switch (code[0], code[1]) {
    case (0x31, 0xc0): return finish(2) { $0.setResult(0) }
    case (0x48, 0xff): return finish(3) { $0.setResult($0.state.rax &+ 1) }
    case (0x48, 0x83): return finish(4) { $0.setFlags($0.state.rax &- UInt64(code[3])) }
    case (0x48, 0x01): return finish(3) { $0.state.rcx = $0.state.rcx &+ $0.state.rbx }
    case (0x48, 0x89): return move(to: word(code, 4))
    case (0x48, 0x8b): return move(from: word(code, 4))
    case (0xe8, _): return call(rip &+ 5 &+ UInt64(word(code, 1)))
    case (0xc3, _): return ret()
    case (0x75, _): return finish(2) { if !$0.isZero { $0.jump(code[1]) } }
    case (0xeb, _): return finish(2) { $0.jump(code[1]) }
    case (0x90, _): return finish(1) { _ in }
    default: return nil
    }
  }

  private var isZero: Bool { state.rflags & 1 << 6 != 0 }

  private mutating func finish(_ length: UInt64, _ body: (inout FakeCPU) -> Void) -> [Access] {
    state.rip += length
    body(&self)
    return []
  }

  private mutating func setResult(_ value: UInt64) {
    state.rax = value
    setFlags(value)
  }

  private mutating func setFlags(_ value: UInt64) {
    state.rflags = 2 | (value == 0 ? 1 << 6 : 0)
  }

  private mutating func jump(_ distance: UInt8) {
    state.rip = state.rip &+ UInt64(bitPattern: Int64(Int8(bitPattern: distance)))
  }

  private mutating func move(to address: UInt32) -> [Access] {
    state.rip += 8
    store(state.rax, at: UInt64(address))
    return [Access(address: UInt64(address), count: 8, isWrite: true)]
  }

  private mutating func move(from address: UInt32) -> [Access] {
    state.rip += 8
    state.rbx = load(UInt64(address))
    return [Access(address: UInt64(address), count: 8, isWrite: false)]
  }

  private mutating func call(_ target: UInt64) -> [Access] {
    state.rsp &-= 8
    store(state.rip + 5, at: state.rsp)
    state.rip = target
    return [Access(address: state.rsp, count: 8, isWrite: true)]
  }

  private mutating func ret() -> [Access] {
    state.rip = load(state.rsp)
    state.rsp &+= 8
    return [Access(address: state.rsp &- 8, count: 8, isWrite: false)]
  }

  private func word(_ code: [UInt8], _ index: Int) -> UInt32 {
    (0..<4).reversed().reduce(0) { $0 << 8 | UInt32(code[index + $1]) }
  }

  func load(_ address: UInt64) -> UInt64 {
    (0..<8).reversed().reduce(0) { value, index in
      value << 8 | UInt64(memory[Int((address &+ UInt64(index)) % FakeCPU.memorySize)])
    }
  }

  mutating func store(_ value: UInt64, at address: UInt64) {
    for index in 0..<UInt64(8) {
      memory[Int((address &+ index) % FakeCPU.memorySize)] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }
}

/// The fake guest: counts to ten in memory at `counter`, adding each value up in a subroutine.
enum FakeProgram {
  static let start: UInt64 = 0x1000
  static let loop: UInt64 = 0x1002
  static let store: UInt64 = 0x1005
  static let call: UInt64 = 0x100d
  static let afterCall: UInt64 = 0x1012
  static let end: UInt64 = 0x1018
  static let function: UInt64 = 0x1020
  static let counter: UInt64 = 0x2000

  /// As the assembler makes it from `source`.
  static let code: [UInt8] = [
    0x31, 0xc0,  // 1000
    0x48, 0xff, 0xc0,  // 1002
    0x48, 0x89, 0x04, 0x25, 0x00, 0x20, 0x00, 0x00,  // 1005
    0xe8, 0x0e, 0x00, 0x00, 0x00,  // 100d
    0x48, 0x83, 0xf8, 0x0a,  // 1012
    0x75, 0xea,  // 1016
    0xf4,  // 1018
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0x48, 0x8b, 0x1c, 0x25, 0x00, 0x20, 0x00, 0x00,  // 1020
    0x48, 0x01, 0xd9,  // 1028
    0xc3,  // 102b
  ]

  /// A line for each instruction, for sessions with symbols.
  static let source = """
    .globl _start, loop, accumulate, counter
    .set counter, 0x2000
    .text
    .type _start, @function
    _start:
      xor %eax, %eax
    loop:
      inc %rax
      mov %rax, counter
      call accumulate
      cmp $10, %rax
      jne loop
      hlt
      nop; nop; nop; nop; nop; nop; nop
    .size _start, . - _start
    .type accumulate, @function
    accumulate:
      mov counter, %rbx
      add %rbx, %rcx
      ret
    .size accumulate, . - accumulate

    """

  /// Never ends: `jmp .`
  static let endless: [UInt8] = [0xeb, 0xfe]
}
