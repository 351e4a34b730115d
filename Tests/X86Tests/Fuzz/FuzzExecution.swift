internal import GuestMemory
internal import NativeOracle
internal import VMMCore

@testable internal import X86

// Running a program step by step and in blocks, and how it ended.
extension FuzzMachine {
  /// Places code at an offset from the program's first byte.
  func place(_ bytes: [UInt8], at offset: Int) {
    memory.write(bytes, at: physical(mode.codeLinear + UInt64(offset)))
  }

  /// The code page as it is.
  func placed(_ count: Int) -> [UInt8] { memory.read(physical(mode.codeLinear), count: count) ?? [] }

  /// The handler at RIP, by its address.
  private var handler: UInt64? {
    let distance = cpu.codeLinear(cpu.rip) &- (mode.isUnpaged ? 0 : Self.kernel) &- Self.handlers
    return distance < 0x1000 ? distance : nil
  }

  /// Executes instruction by instruction until RIP is `end`, an exception has been delivered, or too many have been
  /// executed.
  func step(to end: UInt64) -> FuzzEnd {
    for _ in 0..<200 {
      if cpu.rip == end && cpu.segmentSelector(SegmentNumber.cs) == mode.codeSelector { return .arrived }
      if let stop = cpu.step(), !answers(stop) { return .stuck }
      if let stop = cpu.settleEvents() { return stop == .shutdown ? .shutdown : .stuck }
      if let handler {
        // A stack may be where the handlers are.
        let isIntact = memory.load(GuestPhysicalAddress(Self.handlers + handler), as: UInt8.self) == 0xf4
        return isIntact ? .event(leaveHandler(handler)) : .stuck
      }
      if isBehind(end) { return .stuck }
      if cpu.codeLinear(cpu.rip) >> 12 != mode.codeLinear >> 12 { hasLeftPage = true }
    }
    return .stuck
  }

  /// The first pieces of a program, as a program of their own; `nil` when they do not end.
  func cut(_ program: FuzzProgram, _ count: Int) -> FuzzProgram? {
    var part = program
    part.code = Array(program.code.prefix(program.offsets[count]))
    part.offsets.removeLast(program.offsets.count - count)
    part.owners.removeLast(program.offsets.count - count)
    part.forms = part.owners.compactMap { $0 }
    (part.isApproximate, part.mask) = (false, [])
    load(part.start, memory: part.memory)
    place(part.code + closing, at: 0)
    part.end = step(to: code + UInt64(part.code.count))
    store(to: &part.after)
    (part.memoryAfter, part.systemAfter, part.leavesPage) = (operands(), system(), hasLeftPage)
    return part.end == .arrived ? part : nil
  }

  /// RIP is behind the code in its page: a RET took what the last bytes of a stack hold for an address. What lies there
  /// is left over from other programs, and not the same on every side.
  private func isBehind(_ end: UInt64) -> Bool {
    let first = mode.codeLinear &+ end &- code
    return (first &+ 1...mode.codeLinear | 0xfff).contains(cpu.codeLinear(cpu.rip))
  }

  /// What follows a program to end it: UD2, or HLT where an exception would write to the stack.
  var closing: [UInt8] { mode.endsByHalting ? [0xf4] : [0x0f, 0x0b] }

  /// Runs code of this length, which `closing` follows, in blocks.
  func runBlocks(_ length: Int) -> FuzzEnd {
    let limit = cpu.retired + 400
    var end = cpu.run(until: limit)
    while answers(end) { end = cpu.run(until: limit) }
    return end == .halted ? closeRun(length) : end == .shutdown ? .shutdown : .stuck
  }

  /// How the program of this length ended that has brought the CPU to a HLT: `closing`, or a handler's.
  func closeRun(_ length: Int) -> FuzzEnd {
    cpu.rip &-= 1
    guard let handler else {
      cpu[Slot.halted] = 0
      return mode.endsByHalting && cpu.rip == code + UInt64(length) ? .arrived : .stuck
    }
    let event = leaveHandler(handler)
    guard cpu.rip == code + UInt64(length), event.vector == ExceptionVector.invalidOpcode else {
      return .event(event)
    }
    cpu[Slot.systemFlags] &= ~RFlags.rf
    return .arrived
  }

  /// Ports read as a constant, and take everything.
  private func answers(_ end: RunEnd) -> Bool {
    guard end == .exit else { return false }
    switch cpu.requestedExit {
    // What QEMU reads where nothing is.
    case .portRead: cpu.answer(oracle == .qemu ? 0xffff_ffff : Self.portValue)
    case .portWrite: cpu.answer(0)
    default: return false
    }
    return true
  }

  static let portValue: UInt64 = 0x5aa5_c33c

  /// The number as the port of an IN or OUT, one that QEMU's machine has nothing at.
  func unusedPort(_ number: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: oracle == .qemu && mode.reachesPorts ? 0xe0 + number % 2 * 4 : number)
  }

  /// Reads the frame of the handler of a vector (16 bytes each), and gives RIP, RSP, the flags and the segments back
  /// the values of the program.
  private func leaveHandler(_ handler: UInt64) -> FuzzEvent {
    let vector = UInt8(truncatingIfNeeded: handler >> 4)
    var event = FuzzEvent(vector: vector, errorCode: 0)
    let hasErrorCode = [8, 10, 11, 12, 13, 14, 17].contains(vector) && mode != .real
    let size: UInt64 = mode == .real ? 2 : mode == .v86 || mode == .kernel32 ? 4 : 8
    let stack = mode.endsByHalting ? cpu.segmentBase(SegmentNumber.ss) : 0
    let top = stack &+ cpu.rsp & cpu.stackMask
    var frame = (0..<10).map { word(at: top &+ size &* UInt64($0), size) }
    if hasErrorCode { event.errorCode = UInt32(truncatingIfNeeded: frame.removeFirst()) }
    cpu.rip = frame[0]
    cpu[Slot.halted] = 0
    switch mode {
    case .real:
      cpu.setRealCode(UInt16(truncatingIfNeeded: frame[1]))
      cpu.rflags = cpu.rflags & ~0xffff | frame[2]
      cpu.rsp = cpu.rsp & ~0xffff | (cpu.rsp &+ 6) & 0xffff
    case .v86:
      cpu.rflags = frame[2]
      cpu.rsp = frame[3]
      let order = [
        SegmentNumber.cs, SegmentNumber.ss, SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs,
      ]
      for (number, value) in zip(order, [frame[1]] + frame[4...8]) {
        cpu.reset(number, base, at: (value & 0xffff) << 4, selector: UInt16(truncatingIfNeeded: value))
      }
    case .kernel32:
      cpu.rflags = frame[2]
      cpu.rsp = (cpu.rsp &+ (hasErrorCode ? 16 : 12)) & 0xffff_ffff
      cpu.reset(SegmentNumber.cs, base, selector: UInt16(truncatingIfNeeded: frame[1]))
    default:
      cpu.rflags = frame[2]
      cpu.rsp = frame[3]
      cpu.reset(SegmentNumber.cs, base, selector: mode.isKernel ? UInt16(truncatingIfNeeded: frame[1]) : nil)
      let selector = UInt16(truncatingIfNeeded: frame[4])
      if mode.isKernel {
        cpu.reset(SegmentNumber.ss, base, selector: selector)
      } else {
        // The program may have loaded another stack segment than it began with.
        cpu.setSegment(SegmentNumber.ss, Self.userSegment(selector))
      }
    }
    cpu.modeChanged()
    return event
  }

  private func word(at address: UInt64, _ size: UInt64) -> UInt64 {
    let at = GuestPhysicalAddress(mode.isUnpaged ? address & 0xffff_ffff : address &- Self.kernel)
    let value = memory.load(at, as: UInt64.self) ?? 0
    return size == 8 ? value : value & (1 << (8 * size) - 1)
  }
}

/// How a piece of code ended.
enum FuzzEnd: Equatable {
  case arrived
  case event(FuzzEvent)
  /// A triple fault.
  case shutdown
  /// It asked for something outside, or did not end.
  case stuck

  var vector: UInt8? { if case .event(let event) = self { event.vector } else { nil } }
}

/// An exception as a process sees it.
struct FuzzEvent: Equatable {
  var vector: UInt8
  var errorCode: UInt32
}
