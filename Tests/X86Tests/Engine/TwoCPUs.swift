import GuestMemory
import VMMCore

@testable import X86

/// Two vCPUs in 64-bit mode on one memory, which share what is known of its code.
final class TwoCPUs {
  let memory: GuestMemory
  let code: GuestCode
  let first: CPUCore
  private(set) var second: CPUCore?

  /// Both begin at an address of their own. `translated`: every block is translated before it is executed; otherwise
  /// none is.
  init(
    translated: Bool, _ addresses: [UInt64] = [Machine.codeAddress, Machine.codeAddress],
    prepare: (Int, inout CPUState) -> Void = { _, _ in }
  ) throws {
    memory = try GuestMemory(size: 4 << 20)
    code = GuestCode(memory: memory, profile: .reference)
    code.meter = TranslationMeter { 0 }
    let model = CPUModel(name: "test", leaves: [])
    first = CPUCore(code: code, model: model)
    second = CPUCore(code: code, model: model)
    Machine.mapIdentity(memory)
    for (number, cpu) in [first.cpu, other].enumerated() {
      cpu[SystemSlot.translatesAfter] = translated ? 1 : 0
      var state = Machine.state(.long64)
      state.rip = addresses[number]
      prepare(number, &state)
      cpu.load(state)
    }
  }

  /// The second one's, while it is there.
  var other: CPU { second!.cpu }

  func removeSecond() { second = nil }

  func place(_ bytes: [UInt8], at address: UInt64 = Machine.codeAddress) {
    memory.write(bytes, at: GuestPhysicalAddress(address))
  }

  var blocksTranslated: UInt64 { code.meter?.statistics.blocks ?? 0 }
}

extension CPU {
  @discardableResult
  func advance(_ count: UInt64) -> RunEnd { run(until: retired + count) }

  /// Step by step, with nothing kept from tables in between.
  func crawl(_ count: UInt64) {
    for _ in 0..<count {
      flushTLB()
      _ = step()
    }
  }
}
