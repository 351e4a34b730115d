/// What counts as the same CPU state: which rule the digests of a trace follow, and where a REP instruction ends.
public enum StateRule: UInt64, Sendable, CaseIterable {
  /// Every field with its mask. A KVM recording's state after the last unit of a REP instruction may have RIP still on
  /// it, with RCX 0.
  case first = 1
  /// In 64-bit code, what is left of DS, ES, FS and GS there is left out: their selectors and limits, and the bases of
  /// DS and ES (Intel SDM vol. 1, 3.4.2.1). Some hosts do not null data selectors on IRET to user mode. A guest that
  /// reads one has it in a register that counts. After the last unit of a REP instruction, RIP is behind it.
  case second = 2
  /// The same, and in 64-bit code nothing of SS but selector and attributes while the selector is null: hosts keep
  /// other bases and limits there.
  case third = 3

  /// The rule of new recordings.
  public static let current = StateRule.third
}

extension CPUState {
  /// The state with zeros where the rule leaves something out that depends on the mode.
  public func canonical(_ rule: StateRule = .current) -> CPUState {
    guard rule != .first, is64Bit else { return self }
    var state = self
    (state.ds, state.es) = (Segment(), Segment())
    (state.fs.selector, state.fs.limit) = (0, 0)
    (state.gs.selector, state.gs.limit) = (0, 0)
    if rule != .second, state.ss.selector <= 3 { (state.ss.base, state.ss.limit) = (0, 0) }
    return state
  }
}
