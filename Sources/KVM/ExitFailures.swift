internal import CKVM
internal import VMMCore

// Exits with which KVM says that it cannot go on.
extension KVMEngine {
  /// `.notEmulated` for an instruction that KVM's emulator does not know, `.failed` with all that KVM tells
  /// otherwise.
  func failure(_ reason: Int32) -> VCPUExit {
    switch reason {
    case KVM_EXIT_INTERNAL_ERROR: internalError()
    case KVM_EXIT_FAIL_ENTRY:
      unsafe .failed("the CPU refused to enter the guest: reason \(hex(ckvm_entry_failure(vcpu.run)))")
    case KVM_EXIT_UNKNOWN:
      unsafe .failed("KVM_EXIT_UNKNOWN: hardware exit reason \(hex(ckvm_hardware_exit_reason(vcpu.run)))")
    case KVM_EXIT_EXCEPTION: unsafe .failed("KVM_EXIT_EXCEPTION: vector \(ckvm_exception(vcpu.run))")
    case KVM_EXIT_SYSTEM_EVENT: unsafe .failed("KVM_EXIT_SYSTEM_EVENT: type \(ckvm_system_event(vcpu.run))")
    default: .failed("KVM exit \(reason), which chronovisor does not know")
    }
  }

  private func internalError() -> VCPUExit {
    let suberror = unsafe ckvm_internal_suberror(vcpu.run)
    if suberror == UInt32(KVM_INTERNAL_ERROR_EMULATION) { return .notEmulated(bytes: instructionBytes()) }
    let count = unsafe ckvm_internal_count(vcpu.run)
    let words = (0..<count).map { unsafe hex(ckvm_internal_data(vcpu.run, $0)) }
    return .failed("KVM internal error \(suberror), data " + words.joined(separator: " "))
  }

  /// Up to 15 bytes of the instruction at RIP: as KVM fetched them, or else from memory.
  private func instructionBytes() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 15)
    let count = unsafe ckvm_failed_instruction(vcpu.run, &bytes)
    if count > 0 { return Array(bytes.prefix(Int(count))) }
    return (try? codeAtRIP()) ?? []
  }
}
