import GuestMemory
import KVM
import Machine
import Replay
import Support
import VMMCore
import X86

/// One case on KVM and on the software engine, compared at its end.
struct PagePair {
  enum Outcome {
    case alike
    case differs(String)
    /// This KVM did not come to the end.
    case notCompared(String)
  }

  let world: PageWorld

  init(_ world: PageWorld) { self.world = world }

  func outcome() throws -> Outcome {
    let kvm = try VirtualMachine(world.initial, kind: .kvm, cpuModel: .kvmDefault)
    let software = try VirtualMachine(world.initial, kind: .software, cpuModel: .kvmDefault)
    let expected = try software.engine.run(.instructions(PageRun.limit))
    guard expected == .halt || expected == .shutdown else { return .notCompared("do not end") }
    let watchdog = HostClock(stopping: kvm.engine)
    _ = try watchdog.limit(until: watchdog.now() + 500_000_000)
    let exit = try kvm.engine.run(.free)
    switch exit {
    case .kicked:
      return .notCompared("hang at \(hex(try kvm.engine.state().rip)) CPL \(try kvm.engine.privilegeLevel())")
    case .notEmulated, .failed: return .notCompared("are not emulated")
    default: break
    }
    guard exit == expected else { return .differs("KVM \(exit), software \(expected)") }
    if exit == .shutdown { return .alike }
    return try compare(kvm, software)
  }

  private func compare(_ kvm: VirtualMachine, _ software: VirtualMachine) throws -> Outcome {
    var found = try kvm.engine.state().differences(from: software.engine.state()).map {
      "\($0.name) KVM \(hex($0.actual)), software \(hex($0.expected))"
    }
    if let address = PageRun.firstDifference(kvm.memory, software.memory) { found.append("memory at \(hex(address))") }
    return found.isEmpty ? .alike : .differs(found.joined(separator: "; "))
  }
}
