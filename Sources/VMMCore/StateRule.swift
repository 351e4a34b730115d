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
  /// The same, and in every mode nothing of LDTR but selector and attributes while the selector is null, nor of DS, ES,
  /// FS and GS in protected mode outside 64-bit code: every use of them faults (Intel SDM vol. 3, 3.4.2), and CPUs
  /// leave other bases and limits behind.
  case fourth = 4
  /// The same, and AF counts where a place is named. What pushes RFLAGS there puts it into memory: a turn of a loop
  /// that differs from the next one in nothing else is another place.
  case fifth = 5

  /// The rule of new recordings.
  public static let current = StateRule.fifth
}

extension CPUState {
  /// The state with zeros where the rule leaves something out that depends on the mode.
  public func canonical(_ rule: StateRule = .current) -> CPUState {
    guard rule != .first else { return self }
    var state = self
    if rule.rawValue >= StateRule.fourth.rawValue { state.forgetNullSegments() }
    guard is64Bit else { return state }
    (state.ds, state.es) = (Segment(), Segment())
    (state.fs.selector, state.fs.limit) = (0, 0)
    (state.gs.selector, state.gs.limit) = (0, 0)
    if rule != .second { state.ss.forgetIfNull() }
    return state
  }

  private mutating func forgetNullSegments() {
    ldtr.forgetIfNull()
    // CR0.PE, RFLAGS.VM: elsewhere 0 to 3 are selectors like others.
    guard cr0 & 1 != 0, rflags >> 17 & 1 == 0, !is64Bit else { return }
    ds.forgetIfNull()
    es.forgetIfNull()
    fs.forgetIfNull()
    gs.forgetIfNull()
  }
}

extension Segment {
  fileprivate mutating func forgetIfNull() {
    if selector <= 3 { (base, limit) = (0, 0) }
  }
}
