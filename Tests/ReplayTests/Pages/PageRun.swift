import GuestMemory
import Support
import VMMCore

@testable import X86

internal import Glibc

/// A software vCPU in a case's world.
final class PageSide {
  enum Way {
    case blocks
    case steps
    /// Step by step, and nothing that was derived from tables or code outlives an instruction.
    case bareSteps
  }

  let memory: GuestMemory
  let engine: SoftwareEngine
  let way: Way
  /// The counts at which a step came to another page: there it shows who looks ahead.
  private(set) var pageChanges: [UInt64] = []

  init(_ world: PageWorld, model: CPUModel, _ way: Way) throws {
    memory = try GuestMemory(size: PageLayout.memorySize)
    for placement in world.placements {
      if case .bytes(let bytes) = placement.source { memory.write(bytes, at: placement.address) }
    }
    engine = SoftwareEngine(memory: memory, cpuModel: model)
    try engine.setState(world.state)
    self.way = way
  }

  var retired: UInt64 { engine.cpu.retired }

  /// Runs up to a count of instructions; how the run ended before it, if it did.
  func run(to count: UInt64) -> RunEnd? {
    let cpu = engine.cpu
    guard way != .blocks else {
      let end = cpu.run(until: count)
      return end == .limit ? nil : end
    }
    while cpu.retired < count {
      let page = cpu.codeLinear(cpu.rip) >> 12
      if way == .bareSteps { cpu.flushTLB() }
      if let end = cpu.settleEvents() ?? cpu.step() { return end }
      if cpu.codeLinear(cpu.rip) >> 12 != page { pageChanges.append(cpu.retired) }
    }
    return cpu.settleEvents()
  }

  /// Drops all that is derived from state and memory.
  func reload() throws { try engine.setState(engine.state()) }
}

/// One case: the same program in blocks and step by step, in one piece and with stops.
struct PageRun {
  static let limit: UInt64 = 5_000
  /// Stops of the run that is compared in between.
  static let cuts = 8

  let world: PageWorld
  let model: CPUModel
  let seed: UInt64
  private(set) var instructions: UInt64 = 0

  init(kind: PagingKind, seed: UInt64) throws {
    var rules = PageProgram.Rules()
    rules.usesContexts = true
    world = PageWorld(kind: kind, rules: rules, seed: seed)
    model = try CPUCatalogue.software.model("default,+pcid,+invpcid")
    self.seed = seed
  }

  /// The first difference in words.
  mutating func difference() throws -> String? {
    let stepper = try PageSide(world, model: model, .bareSteps)
    let blocks = try PageSide(world, model: model, .blocks)
    let ends = (stepper.run(to: PageRun.limit), blocks.run(to: PageRun.limit))
    instructions = stepper.retired
    if let text = PageRun.difference(stepper, blocks, ends) { return "in one piece: \(text)\(try place())" }
    return try differenceWithCuts(stepper)
  }

  /// Both stop at the same random places, where one may forget all it derived, and memory may be written from outside.
  private func differenceWithCuts(_ whole: PageSide) throws -> String? {
    var random = SeededRandom(seed: seed ^ 0x5eed)
    let stepper = try PageSide(world, model: model, .steps)
    let blocks = try PageSide(world, model: model, .blocks)
    let ends = whole.pageChanges
    var places = (0..<PageRun.cuts).map { number in
      number % 2 == 0 && !ends.isEmpty ? random.pick(ends) : UInt64(random.below(Int(max(whole.retired, 1))))
    }.sorted()
    places.append(PageRun.limit)
    var story = ""
    for place in places {
      let ends = (stepper.run(to: place), blocks.run(to: place))
      if let text = PageRun.difference(stepper, blocks, ends) { return "with stops (\(story)): \(text)" }
      guard ends.0 == nil, place != PageRun.limit else { return nil }
      story += " \(place)"
      if random.oneIn(3) {
        try stepper.reload()
        story += " stepper reloaded"
      }
      if random.oneIn(4) {
        try blocks.reload()
        story += " blocks reloaded"
      }
      if random.oneIn(3) {
        let address = PageLayout.frame(random.pick(PageLayout.frames)) + 8 * UInt64(1 + random.below(500))
        let slot = world.code.slot(9, &random)
        for side in [stepper, blocks] { side.memory.write(slot, at: GuestPhysicalAddress(address)) }
        story += " write at \(hex(address))"
      }
    }
    return nil
  }

  static func difference(_ stepper: PageSide, _ blocks: PageSide, _ ends: (RunEnd?, RunEnd?)) -> String? {
    var found: [String] = []
    if stepper.retired != blocks.retired { found.append("count \(stepper.retired), blocks \(blocks.retired)") }
    if ends.0 != ends.1 {
      found.append("end \(String(describing: ends.0)), blocks \(String(describing: ends.1))")
    }
    let (one, other) = (stepper.engine.cpu.state, blocks.engine.cpu.state)
    if one != other {
      found += other.differences(from: one).map { "\($0.name) \(hex($0.expected)), blocks \(hex($0.actual))" }
    }
    if let address = firstDifference(stepper.memory, blocks.memory) { found.append("memory at \(hex(address))") }
    return found.isEmpty ? nil : found.joined(separator: "; ")
  }

  /// The first address at which two memories of the same size differ.
  static func firstDifference(_ one: GuestMemory, _ other: GuestMemory) -> UInt64? {
    for page in 0..<one.pageCount where unsafe memcmp(one.host(ofPage: page), other.host(ofPage: page), pageSize) != 0 {
      let address = one.address(ofPage: page)
      guard let a = one.read(address, count: pageSize), let b = other.read(address, count: pageSize) else { continue }
      let offset = (0..<pageSize).first { a[$0] != b[$0] } ?? 0
      return address.rawValue + UInt64(offset)
    }
    return nil
  }

  /// After how many instructions a run in blocks parts from one step by step, and where both are before that.
  private func place() throws -> String {
    var (low, high) = (UInt64(0), PageRun.limit)
    while low + 1 < high {
      let middle = (low + high) / 2
      let stepper = try PageSide(world, model: model, .bareSteps)
      let blocks = try PageSide(world, model: model, .blocks)
      let ends = (stepper.run(to: middle), blocks.run(to: middle))
      if PageRun.difference(stepper, blocks, ends) == nil { low = middle } else { high = middle }
    }
    let stepper = try PageSide(world, model: model, .steps)
    _ = stepper.run(to: low)
    return "; alike up to \(low) instructions, at \(hex(stepper.engine.linearRIP))"
  }
}
