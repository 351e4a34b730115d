/// One field of the CPU state as a 64-bit word: its name, how to read and write it, and which bits count in a digest
/// that every engine and every host must agree on.
public struct CPUStateField: Sendable {
  public var name: String
  public var get: @Sendable (CPUState) -> UInt64
  public var set: @Sendable (inout CPUState, UInt64) -> Void
  /// Bits that enter the digest. Left out: AF and RF, which instructions leave undefined or hosts treat differently,
  /// and the x87 instruction and data pointers, which AMD and Intel keep at different times.
  public var digestMask: UInt64
  /// Bits that enter the digest of a place: AF too, which the CPU that comes back to it leaves as it did.
  public var placeMask: UInt64
}

extension CPUState {
  /// Every field, in the order in which the trace format stores them (Trace/FORMAT.md). Append only.
  public static let fields: [CPUStateField] = makeFields()

  /// The digest of the architectural state, equal on every engine in equal states.
  public var digest: UInt64 { digest(.current) }

  /// The digest by the rule of a trace.
  public func digest(_ rule: StateRule) -> UInt64 { digest(rule, ofPlace: false) }

  /// The digest that names a place of a recording, by the trace's rule.
  public func placeDigest(_ rule: StateRule = .current) -> UInt64 {
    digest(rule, ofPlace: rule.rawValue >= StateRule.fifth.rawValue)
  }

  private func digest(_ rule: StateRule, ofPlace: Bool) -> UInt64 {
    let state = canonical(rule)
    var digest = Digest()
    for field in CPUState.fields where field.digestMask != 0 {
      digest.fold(field.get(state) & (ofPlace ? field.placeMask : field.digestMask))
    }
    return digest.value
  }

  /// The fields in which two states differ in bits that count.
  public func differences(
    from other: CPUState, _ rule: StateRule = .current
  ) -> [(name: String, expected: UInt64, actual: UInt64)] {
    let (mine, its) = (canonical(rule), other.canonical(rule))
    return CPUState.fields.compactMap { field in
      let (actual, expected) = (field.get(mine), field.get(its))
      return (actual ^ expected) & field.digestMask == 0 ? nil : (field.name, expected, actual)
    }
  }

  /// All fields as little-endian 64-bit words.
  public func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(CPUState.fields.count * 8)
    for field in CPUState.fields {
      let word = field.get(self)
      for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return bytes
  }

  /// Reads what `encoded` wrote; a shorter list (an older writer) leaves later fields as after RESET. `nil` when the
  /// length is not a whole number of known fields.
  public init?(encoded bytes: [UInt8]) {
    self.init()
    guard bytes.count % 8 == 0, bytes.count / 8 <= CPUState.fields.count else { return nil }
    for index in 0..<(bytes.count / 8) {
      var word: UInt64 = 0
      for byte in (0..<8).reversed() { word = word << 8 | UInt64(bytes[index * 8 + byte]) }
      CPUState.fields[index].set(&self, word)
    }
  }
}

/// Makes the table: plain closures, because key paths are some ten times slower.
private struct FieldTable {
  var fields: [CPUStateField] = []

  mutating func add(
    _ name: String, mask: UInt64 = .max, placeMask: UInt64? = nil, _ get: @escaping @Sendable (CPUState) -> UInt64,
    _ set: @escaping @Sendable (inout CPUState, UInt64) -> Void
  ) {
    fields.append(CPUStateField(name: name, get: get, set: set, digestMask: mask, placeMask: placeMask ?? mask))
  }

  /// A segment register. The attributes stay out of the digest: engines keep accessed and unusable bits differently.
  mutating func add(
    segment name: String, _ get: @escaping @Sendable (CPUState) -> Segment,
    _ change: @escaping @Sendable (inout CPUState, (inout Segment) -> Void) -> Void
  ) {
    add(
      name, { UInt64(get($0).selector) },
      { state, word in change(&state) { $0.selector = UInt16(truncatingIfNeeded: word) } })
    add(name + ".base", { get($0).base }, { state, word in change(&state) { $0.base = word } })
    add(
      name + ".limit", { UInt64(get($0).limit) },
      { state, word in change(&state) { $0.limit = UInt32(truncatingIfNeeded: word) } })
    add(
      name + ".attributes", mask: 0, { UInt64(get($0).attributes) },
      { state, word in change(&state) { $0.attributes = UInt32(truncatingIfNeeded: word) } })
  }
}

private func makeFields() -> [CPUStateField] {
  var table = FieldTable()
  addIntegerRegisters(to: &table)
  addSegments(to: &table)
  addSystemRegisters(to: &table)
  addFloatingPoint(to: &table)
  addEventState(to: &table)
  return table.fields
}

private func addIntegerRegisters(to table: inout FieldTable) {
  let names = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
  ]
  for (number, name) in names.enumerated() {
    table.add(name, { $0.gpr[number] }, { $0.gpr[number] = $1 })
  }
  table.add("rip", { $0.rip }, { $0.rip = $1 })
  table.add("rflags", mask: ~(1 << 4 | 1 << 16), placeMask: ~(1 << 16), { $0.rflags }, { $0.rflags = $1 })
}

private func addSegments(to table: inout FieldTable) {
  table.add(segment: "cs", { $0.cs }, { $1(&$0.cs) })
  table.add(segment: "ss", { $0.ss }, { $1(&$0.ss) })
  table.add(segment: "ds", { $0.ds }, { $1(&$0.ds) })
  table.add(segment: "es", { $0.es }, { $1(&$0.es) })
  table.add(segment: "fs", { $0.fs }, { $1(&$0.fs) })
  table.add(segment: "gs", { $0.gs }, { $1(&$0.gs) })
  table.add(segment: "ldtr", { $0.ldtr }, { $1(&$0.ldtr) })
  table.add(segment: "tr", { $0.tr }, { $1(&$0.tr) })
  table.add("gdtr.base", { $0.gdtr.base }, { $0.gdtr.base = $1 })
  table.add("gdtr.limit", { UInt64($0.gdtr.limit) }, { $0.gdtr.limit = UInt16(truncatingIfNeeded: $1) })
  table.add("idtr.base", { $0.idtr.base }, { $0.idtr.base = $1 })
  table.add("idtr.limit", { UInt64($0.idtr.limit) }, { $0.idtr.limit = UInt16(truncatingIfNeeded: $1) })
}

private func addSystemRegisters(to table: inout FieldTable) {
  table.add("cr0", { $0.cr0 }, { $0.cr0 = $1 })
  table.add("cr2", { $0.cr2 }, { $0.cr2 = $1 })
  table.add("cr3", { $0.cr3 }, { $0.cr3 = $1 })
  table.add("cr4", { $0.cr4 }, { $0.cr4 = $1 })
  table.add("cr8", { $0.cr8 }, { $0.cr8 = $1 })
  table.add("xcr0", mask: 0, { $0.xcr0 }, { $0.xcr0 = $1 })
  table.add("dr0", { $0.dr0 }, { $0.dr0 = $1 })
  table.add("dr1", { $0.dr1 }, { $0.dr1 = $1 })
  table.add("dr2", { $0.dr2 }, { $0.dr2 = $1 })
  table.add("dr3", { $0.dr3 }, { $0.dr3 = $1 })
  table.add("dr6", { $0.dr6 }, { $0.dr6 = $1 })
  table.add("dr7", { $0.dr7 }, { $0.dr7 = $1 })
  table.add("efer", { $0.efer }, { $0.efer = $1 })
  table.add("star", { $0.star }, { $0.star = $1 })
  table.add("lstar", { $0.lstar }, { $0.lstar = $1 })
  table.add("cstar", { $0.cstar }, { $0.cstar = $1 })
  table.add("sfmask", { $0.sfmask }, { $0.sfmask = $1 })
  table.add("kernel_gs_base", { $0.kernelGSBase }, { $0.kernelGSBase = $1 })
  table.add("sysenter_cs", { $0.sysenterCS }, { $0.sysenterCS = $1 })
  table.add("sysenter_esp", { $0.sysenterESP }, { $0.sysenterESP = $1 })
  table.add("sysenter_eip", { $0.sysenterEIP }, { $0.sysenterEIP = $1 })
  table.add("apic_base", mask: 0, { $0.apicBase }, { $0.apicBase = $1 })
  table.add("pat", { $0.pat }, { $0.pat = $1 })
  table.add("tsc_aux", { $0.tscAux }, { $0.tscAux = $1 })
}

private func addFloatingPoint(to table: inout FieldTable) {
  table.add("fcw", { UInt64($0.fcw) }, { $0.fcw = UInt16(truncatingIfNeeded: $1) })
  table.add("fsw", { UInt64($0.fsw) }, { $0.fsw = UInt16(truncatingIfNeeded: $1) })
  table.add("ftw", { UInt64($0.ftw) }, { $0.ftw = UInt8(truncatingIfNeeded: $1) })
  table.add("fop", mask: 0, { UInt64($0.fop) }, { $0.fop = UInt16(truncatingIfNeeded: $1) })
  table.add("fip", mask: 0, { $0.fip }, { $0.fip = $1 })
  table.add("fdp", mask: 0, { $0.fdp }, { $0.fdp = $1 })
  for number in 0..<8 {
    table.add("st\(number).significand", { $0.stSignificand[number] }, { $0.stSignificand[number] = $1 })
    table.add(
      "st\(number).exponent", { UInt64($0.stSignExponent[number]) },
      { $0.stSignExponent[number] = UInt16(truncatingIfNeeded: $1) })
  }
  table.add("mxcsr", { UInt64($0.mxcsr) }, { $0.mxcsr = UInt32(truncatingIfNeeded: $1) })
  for lane in 0..<32 {
    table.add("xmm\(lane / 2)." + (lane % 2 == 0 ? "low" : "high"), { $0.xmm[lane] }, { $0.xmm[lane] = $1 })
  }
}

private func addEventState(to table: inout FieldTable) {
  table.add(
    "interrupt_shadow", { UInt64($0.interruptShadow) }, { $0.interruptShadow = UInt8(truncatingIfNeeded: $1) })
  table.add("nmi_masked", mask: 1, { $0.nmiMasked ? 1 : 0 }, { $0.nmiMasked = $1 & 1 != 0 })
  table.add("nmi_pending", mask: 1, { $0.nmiPending ? 1 : 0 }, { $0.nmiPending = $1 & 1 != 0 })
  table.add("halted", mask: 1, { $0.halted ? 1 : 0 }, { $0.halted = $1 & 1 != 0 })
  table.add("pending_event", { $0.pendingEvent?.word ?? 0 }, { $0.pendingEvent = PendingEvent(word: $1) })
}

extension PendingEvent {
  /// The layout of the VMCS field "VM-entry interruption information" (Intel SDM vol. 3, 24.8.3), the error code above.
  var word: UInt64 {
    UInt64(vector) | UInt64(kind.rawValue) << 8 | (errorCode == nil ? 0 : 1 << 11) | 1 << 31
      | UInt64(errorCode ?? 0) << 32
  }

  init?(word: UInt64) {
    guard word & 1 << 31 != 0, let kind = Kind(rawValue: UInt8(word >> 8 & 7)) else { return nil }
    self.init(
      kind: kind, vector: UInt8(truncatingIfNeeded: word),
      errorCode: word & 1 << 11 != 0 ? UInt32(truncatingIfNeeded: word >> 32) : nil)
  }
}
