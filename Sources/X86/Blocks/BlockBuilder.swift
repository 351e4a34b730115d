/// Decodes one block: instructions up to a branch, the end of the page or 60 of them.
struct BlockBuilder {
  /// Operations of the longest block: instructions, a stop, an end.
  static let capacity = 64
  private static let maxInstructions = 60

  private let cpu: CPU
  /// There are other vCPUs.
  private let isShared: Bool
  private let first: OperationPointer
  private let block: UnsafeMutablePointer<Block>
  private let entered: UnsafeMutablePointer<UInt8>
  private(set) var opCount = 0
  /// Bytes of code.
  private(set) var length = 0
  /// As `Block.secondPage`.
  private(set) var secondPage = Block.noPage
  /// As `Block.isCut`.
  private(set) var isCut = false
  private var instructions = 0

  /// Operations go to `first` and behind; its head is this block's, whose byte for footprints is `entered`.
  init(
    cpu: CPU, first: OperationPointer, block: UnsafeMutablePointer<Block>, entered: UnsafeMutablePointer<UInt8>
  ) {
    self.entered = entered
    self.cpu = cpu
    isShared = cpu.withCode { $0.members.count > 1 }
    self.first = first
    self.block = block
  }

  /// Decodes at RIP; false when the first instruction raised a fault.
  mutating func build(linear: UInt64, physical: UInt64) -> Bool {
    reserveHead(isStop: isStop(linear))
    let body = opCount
    guard let (host, _) = cpu.ram(physical) else { return cpu.raiseProtection() }
    let page = UnsafePointer(cpu.pointer(host).assumingMemoryBound(to: UInt8.self))
    let start = Int(physical & 0xfff)
    var ends = false
    while !ends && instructions < BlockBuilder.maxInstructions {
      if length > 0 && isStop(cpu.nextLinear(linear, UInt64(length))) {
        isCut = true
        break
      }
      let op = first + opCount
      guard decode(page, start + length, op) else {
        if instructions > 0 { break }
        // Faults, and instructions that cross pages.
        guard cpu.fetch(into: &op.decoded.pointee) else { return false }
        if start + Int(op.instruction.pointee.length) > 0x1000 {
          secondPage = cpu.fetchAddress(cpu.nextLinear(linear & ~0xfff, 0x1000)).map { $0 & ~0xfff } ?? Block.noPage
        }
        ends = true
        take(op)
        finish(body, linear)
        return true
      }
      take(op)
      ends = BlockBuilder.endsBlock(op)
    }
    finish(body, linear)
    return true
  }

  /// Some vCPU's runs stop there: the block is for all of them.
  private func isStop(_ linear: UInt64) -> Bool {
    cpu.isStop(linear) || isShared && cpu.withCode { $0.isStop(linear) }
  }

  private mutating func take(_ op: OperationPointer) {
    op.pointee = Operation(op.decoded.pointee)
    opCount += 1
    instructions += 1
    length += Int(op.instruction.pointee.length)
  }

  /// Decodes what lies whole in the page; false for anything unusual.
  private func decode(_ page: UnsafePointer<UInt8>, _ offset: Int, _ op: OperationPointer) -> Bool {
    guard offset < 0x1000 else { return false }
    let rip = cpu.is64Bit ? cpu.rip &+ UInt64(length) : (cpu.rip &+ UInt64(length)) & 0xffff_ffff
    let available = min(0x1000 - offset, cpu.codeBytesInSegment(rip))
    guard available > 0 else { return false }
    var decoder = Decoder(bytes: page + offset, available: available, codeSize: cpu.codeSize, rip: rip)
    return decoder.decode(into: &op.decoded.pointee) == .decoded && cpu.isOffered(op.decoded.pointee)
  }

  /// A block begins with an operation that counts how often it is entered; at the address to stop at, one that stops
  /// comes next.
  private mutating func reserveHead(isStop: Bool) {
    for handler: Handler in isStop ? [.heat, .stopHere] : [.heat] {
      let op = first + opCount
      put(handler, at: op, rip: cpu.rip)
      opCount += 1
    }
    first.pointee.link = UInt64(UInt(bitPattern: block))
    first.pointee.immediate = UInt64(UInt(bitPattern: entered))
    if cpu[SystemSlot.translatesAfter] == 0 { first.pointee.handler = .entry }
  }

  /// Adds the end, numbers the operations and chooses their fast forms.
  private mutating func finish(_ body: Int, _ linear: UInt64) {
    let last = first + (opCount - 1)
    let end = first + opCount
    put(.blockEnd, at: end, rip: cpu.nextRIP(last.instruction))
    end.pointee.immediate = end.rip
    opCount += 1
    for number in 0..<instructions { (first + (body + number)).pointee.left = UInt8(instructions - number) }
    for number in 0..<body { (first + number).pointee.left = UInt8(instructions) }
    let branches = BlockBuilder.endsBlock(last)
    Specialiser(cpu: cpu).specialise(first + body, count: instructions)
    // A conditional branch without a fast form has set RIP, as all others have; one with a fast form comes to the end
    // only where it is not taken.
    if branches && !last.handler.isDirectConditional { end.pointee.handler = .dispatch }
  }

  /// An operation without an instruction.
  private func put(_ handler: Handler, at op: OperationPointer, rip: UInt64) {
    op.pointee = Operation(handler)
    op.decoded.pointee = Instruction()
    op.decoded.pointee.rip = rip
  }

  /// Instructions after which RIP, or how code is found and decoded, may be another.
  static func endsBlock(_ op: OperationPointer) -> Bool {
    switch op.handler {
    case .jmp, .jcc, .call, .jmpRM, .callRM, .ret, .loop, .jcxz: true
    case .system:
      switch SystemOperation(rawValue: op.kind) {
      case .cpuid, .rdfsbase, .rdgsbase, .movFromSegment, .pushSegment, .pushf, .sldt, .str, .sgdt, .sidt, .smsw, .lar,
        .lsl, .verr, .verw, .movFromCR, .movFromDR:
        false
      default: true
      }
    default: false
    }
  }
}
