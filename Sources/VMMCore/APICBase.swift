/// IA32_APIC_BASE (Intel SDM vol. 3, 11.4.4): where the local APIC's registers are, and whether there are any.
public enum APICBase {
  /// The bit that says that this is the processor that boots.
  public static let bootProcessor: UInt64 = 1 << 8
  /// The APIC is on.
  public static let enabled: UInt64 = 1 << 11
  /// As after RESET: on, at 0xfee00000.
  public static let standard: UInt64 = 0xfee0_0000 | bootProcessor | enabled
  /// The register page.
  public static let pageSize: UInt64 = 0x1000
  /// TPR, whose bits 7:4 are CR8.
  private static let taskPriorityOffset: UInt64 = 0x80

  /// The address of the register page; `nil` when the APIC is off.
  public static func address(in base: UInt64) -> UInt64? {
    base & enabled == 0 ? nil : base & 0x000f_ffff_ffff_f000
  }

  /// The task priority class that a store sets, if it is one to TPR.
  static func taskPriority(setBy exit: VCPUExit, base: UInt64) -> UInt8? {
    guard case .mmioWrite(let place, let size, let value) = exit, size == 4 || size == 8,
      let address = address(in: base), place.rawValue == address &+ taskPriorityOffset
    else { return nil }
    return UInt8(truncatingIfNeeded: value >> 4 & 15)
  }
}

extension Engine {
  /// TPR and the vCPU's CR8 are one register (Intel SDM vol. 3, 11.8.6): takes over what an interaction, already
  /// answered, stored to TPR. Recording and replay both do this, so that a replay needs no APIC.
  public func followTaskPriority(_ exit: VCPUExit) throws(EngineError) {
    guard case .mmioWrite = exit, let priority = APICBase.taskPriority(setBy: exit, base: apicBase) else { return }
    try setTaskPriority(priority)
  }
}
