import KVM
import Testing
import VMMCore

extension KVMTests {
  @Suite struct ProbeTests {
    @Test func everyProbeComesToAnEnd() throws {
      let report = try HostProbe.run()
      #expect(report.findings.filter { $0.verdict == .unknown } == [])
      #expect(report.findings.count > 25)
      #expect(!report.conclusions.isEmpty)
      let names = report.findings.map(\.name)
      #expect(names.allSatisfy { name in names.filter { $0 == name }.count == 1 })
      for name in names { #expect(report.text.contains(name)) }
    }

    /// What recording rests on, whatever the host.
    @Test func theBasicsHold() throws {
      let report = try HostProbe.run()
      let basics = ["hlt", "interrupts", "nmi", "msr-filter", "dirty-log.kernel", "step.kernel", "breakpoint.kernel"]
      #expect(basics.filter { report[$0]?.verdict != .good } == [])
    }
  }
}
