import Support
import Testing

@Suite struct DoctorTests {
  @Test func withoutKVMItSaysWhyAndWhatIsUsed() {
    let result = CommandRunner.chronovisor("doctor", environment: ["CHRONOVISOR_NO_KVM": "1"])
    #expect(result.status == 0)
    #expect(result.output.contains("CHRONOVISOR_NO_KVM"))
    #expect(result.output.contains("software engine"))
    #expect(result.errors == "")
    #expect(result.output.contains("\nUndefined behaviour of this CPU: "))
    #expect(result.output.contains("\nThe software engine makes host code of what is executed often."))
  }

  @Test func withoutKVMTheJSONSaysSo() {
    let result = CommandRunner.chronovisor("doctor", "--json", environment: ["CHRONOVISOR_NO_KVM": "1"])
    #expect(result.output.hasPrefix("{\"kvm\":false,"))
    #expect(result.output.contains("\"undefined\":{\"name\":"))
  }

  @Test(.enabled(if: kvmAvailable, "no /dev/kvm"))
  func withKVMItProbes() {
    let result = CommandRunner.chronovisor("doctor", "--json")
    #expect(result.status == 0)
    #expect(result.output.hasPrefix("{\"kvm\":true,"))
    #expect(result.output.contains("\"name\":\"breakpoint.user\""))
  }

  @Test func operandsAreRefused() {
    #expect(CommandRunner.chronovisor("doctor", "me").status == 1)
  }
}
