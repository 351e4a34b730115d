// What the findings mean for somebody who wants to record.
extension HostProbe {
  static func conclusions(from findings: [HostFinding]) -> [String] {
    func holds(_ name: String) -> Bool { findings.first { $0.name == name }?.verdict == .good }
    var lines: [String] = []
    let basics = ["hlt", "interrupts", "dirty-log.kernel", "msr-filter"]
    let broken = basics.filter { !holds($0) }
    lines.append(
      broken.isEmpty
        ? "Recording on KVM works here."
        : "Recording on KVM is not safe here (\(broken.joined(separator: ", "))): "
          + "use --engine software.")
    if holds("syscall") {
      lines.append("Interrupts can be placed anywhere, in kernel and in user mode.")
    } else {
      lines.append(
        "Interrupts can be placed anywhere in kernel mode; in user mode they wait for the next exit or kernel entry.")
    }
    if !holds("step.clean") || !holds("breakpoint.kernel") {
      let work = (holds("step.clean") ? [] : ["steps"]) + (holds("breakpoint.kernel") ? [] : ["finds places again"])
      lines.append("The software engine \(work.joined(separator: " and ")) for KVM.")
    }
    if !holds("instructions.kernel") || !holds("interrupt-instructions.kernel") {
      lines.append("The software engine executes the kernel-mode instructions named above, one at a time.")
    }
    if !holds("syscall") || !holds("interrupt-instructions.user") {
      lines.append(
        HostFitness.offersUserMode
          ? "Linux runs with its kernel mode in the software engine and long stretches of user mode on the CPU."
          : "User programs that make system calls need the software engine.")
    }
    if !holds("cpuid.user") || !holds("cpuid.kernel") {
      lines.append("Traces hold the host's CPUID digest; replaying on another kind of CPU is a warning.")
    }
    lines.append("Guests that read the time-stamp counter in spite of CPUID cannot be replayed; verification tells.")
    return lines
  }
}
