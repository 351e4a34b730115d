internal import CKVM
internal import VMMCore

/// `CPUState` to and from KVM's structures. What CPUState does not hold (AVX and later state, XSS, the APIC) is put
/// into its initial state.
extension VCPU {
  /// The MSRs of CPUState that SREGS does not carry. TSC_AUX comes last: not every host has it.
  static let stateMSRs: [UInt32] = [
    0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0102, 0x174, 0x175, 0x176, 0x277, 0xc000_0103,
  ]

  /// The state, with nothing pending in KVM. `halted` is ours: without in-kernel interrupt controllers KVM holds
  /// none.
  func readState(halted: Bool) throws(EngineError) -> CPUState {
    var state = CPUState()
    state.halted = halted
    state.take(try regs())
    state.take(try sregs())
    state.take(xsave: try xsave())
    state.xcr0 = try readXCR0()
    state.take(try debugRegs())
    state.take(try events())
    state.take(msrs: try msrs(VCPU.stateMSRs))
    return state
  }

  /// Sets all of the state. SREGS come before the MSRs, which depend on EFER; the events after both; the general
  /// registers last, since they drop pending exceptions that an earlier state left.
  func writeState(_ state: CPUState) throws(EngineError) {
    setRunPage(state)
    try setSregs(state.sregs)
    try writeXCR0(state.xcr0)
    try setXSAVE(state.xsaveArea)
    let done = try setMSRs(VCPU.stateMSRs, state.msrValues)
    // A host without TSC_AUX can run a guest that leaves it zero.
    let short = done < VCPU.stateMSRs.count - (state.tscAux == 0 ? 1 : 0)
    if short { throw EngineError("KVM_SET_MSRS: this host refuses MSR \(hex(VCPU.stateMSRs[done]))") }
    try setDebugRegs(state.debugRegs)
    try setRunnable()
    try setEvents(state.events)
    try setRegs(state.regs)
  }

  /// Without an in-kernel APIC, KVM loads CR8 from the run page at every entry, and leaves IA32_APIC_BASE there.
  private func setRunPage(_ state: CPUState) {
    unsafe ckvm_set_cr8(run, state.cr8)
    unsafe ckvm_set_apic_base(run, state.apicBase)
  }

  private func readXCR0() throws(EngineError) -> UInt64 {
    let all = try xcrs()
    return all.nr_xcrs > 0 && all.xcrs.0.xcr == 0 ? all.xcrs.0.value : 1
  }

  private func writeXCR0(_ value: UInt64) throws(EngineError) {
    var all = kvm_xcrs()
    all.nr_xcrs = 1
    all.xcrs.0 = kvm_xcr(xcr: 0, reserved: 0, value: value)
    try setXCRs(all)
  }
}

// General registers and RFLAGS.
extension CPUState {
  mutating func take(_ r: kvm_regs) {
    gpr = SIMD16(
      r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15)
    rip = r.rip
    rflags = r.rflags
  }

  var regs: kvm_regs {
    kvm_regs(
      rax: gpr[0], rbx: gpr[3], rcx: gpr[1], rdx: gpr[2], rsi: gpr[6], rdi: gpr[7], rsp: gpr[4], rbp: gpr[5],
      r8: gpr[8], r9: gpr[9], r10: gpr[10], r11: gpr[11], r12: gpr[12], r13: gpr[13], r14: gpr[14], r15: gpr[15],
      rip: rip, rflags: rflags | 2)
  }
}

extension Segment {
  init(_ s: kvm_segment) {
    let rights: [(UInt8, UInt32)] = [
      (s.type & 15, 0), (s.s & 1, 4), (s.dpl & 3, 5), (s.present & 1, 7), (s.avl & 1, 12), (s.l & 1, 13),
      (s.db & 1, 14),
      (s.g & 1, 15), (s.unusable & 1, 16),
    ]
    self.init(
      selector: s.selector, base: s.base, limit: s.limit,
      attributes: rights.reduce(0) { $0 | UInt32($1.0) << $1.1 })
  }

  var kvm: kvm_segment {
    func flag(_ value: Bool) -> UInt8 { value ? 1 : 0 }
    return kvm_segment(
      base: base, limit: limit, selector: selector, type: type, present: flag(isPresent), dpl: privilegeLevel,
      db: flag(isDefault32), s: flag(isCodeOrData), l: flag(isLong), g: flag(granularity), avl: flag(available),
      unusable: flag(isUnusable), padding: 0)
  }
}

extension DescriptorTable {
  init(_ table: kvm_dtable) { self.init(base: table.base, limit: table.limit) }
  var kvm: kvm_dtable { kvm_dtable(base: base, limit: limit, padding: (0, 0, 0)) }
}

// Segments, tables and control registers.
extension CPUState {
  mutating func take(_ s: kvm_sregs) {
    (cs, ss, ds) = (Segment(s.cs), Segment(s.ss), Segment(s.ds))
    (es, fs, gs) = (Segment(s.es), Segment(s.fs), Segment(s.gs))
    (ldtr, tr) = (Segment(s.ldt), Segment(s.tr))
    (gdtr, idtr) = (DescriptorTable(s.gdt), DescriptorTable(s.idt))
    (cr0, cr2, cr3, cr4, cr8) = (s.cr0, s.cr2, s.cr3, s.cr4, s.cr8)
    (efer, apicBase) = (s.efer, s.apic_base)
  }

  var sregs: kvm_sregs {
    kvm_sregs(
      cs: cs.kvm, ds: ds.kvm, es: es.kvm, fs: fs.kvm, gs: gs.kvm, ss: ss.kvm, tr: tr.kvm, ldt: ldtr.kvm,
      gdt: gdtr.kvm, idt: idtr.kvm, cr0: cr0, cr2: cr2, cr3: cr3, cr4: cr4, cr8: cr8, efer: efer, apic_base: apicBase,
      interrupt_bitmap: (0, 0, 0, 0))
  }
}

// x87 and SSE, in the layout of FXSAVE64 (Intel SDM vol. 1, 13.4.1), which begins the XSAVE area.
extension CPUState {
  private enum XSAVEOffset {
    static let fcw = 0
    static let fsw = 2
    static let ftw = 4
    static let fop = 6
    static let fip = 8
    static let fdp = 16
    static let mxcsr = 24
    static let st = 32
    static let xmm = 160
    /// XSTATE_BV in the XSAVE header.
    static let features = 512
  }

  mutating func take(xsave area: [UInt8]) {
    fcw = area.load(XSAVEOffset.fcw)
    fsw = area.load(XSAVEOffset.fsw)
    ftw = area.load(XSAVEOffset.ftw)
    fop = area.load(XSAVEOffset.fop)
    fip = area.load(XSAVEOffset.fip)
    fdp = area.load(XSAVEOffset.fdp)
    mxcsr = area.load(XSAVEOffset.mxcsr)
    for index in 0..<8 {
      stSignificand[index] = area.load(XSAVEOffset.st + index * 16)
      stSignExponent[index] = area.load(XSAVEOffset.st + index * 16 + 8)
    }
    for lane in 0..<32 { xmm[lane] = area.load(XSAVEOffset.xmm + lane * 8) }
  }

  /// x87 and SSE are in use, everything else is in its initial state.
  var xsaveArea: [UInt8] {
    var area = [UInt8](repeating: 0, count: 4096)
    area.store(fcw, at: XSAVEOffset.fcw)
    area.store(fsw, at: XSAVEOffset.fsw)
    area.store(ftw, at: XSAVEOffset.ftw)
    area.store(fop, at: XSAVEOffset.fop)
    area.store(fip, at: XSAVEOffset.fip)
    area.store(fdp, at: XSAVEOffset.fdp)
    area.store(mxcsr & 0xffff, at: XSAVEOffset.mxcsr)
    for index in 0..<8 {
      area.store(stSignificand[index], at: XSAVEOffset.st + index * 16)
      area.store(stSignExponent[index], at: XSAVEOffset.st + index * 16 + 8)
    }
    for lane in 0..<32 { area.store(xmm[lane], at: XSAVEOffset.xmm + lane * 8) }
    area.store(UInt64(3), at: XSAVEOffset.features)
    return area
  }
}

extension [UInt8] {
  fileprivate func load<T: FixedWidthInteger>(_ offset: Int) -> T {
    (0..<MemoryLayout<T>.size).reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: self[offset + $1]) }
  }

  fileprivate mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    for index in 0..<MemoryLayout<T>.size { self[offset + index] = UInt8(truncatingIfNeeded: value >> T(index * 8)) }
  }
}

// Debug registers, MSRs and events.
extension CPUState {
  mutating func take(_ d: kvm_debugregs) {
    (dr0, dr1, dr2, dr3) = d.db
    (dr6, dr7) = (d.dr6, d.dr7)
  }

  var debugRegs: kvm_debugregs {
    var registers = kvm_debugregs()
    registers.db = (dr0, dr1, dr2, dr3)
    (registers.dr6, registers.dr7) = (dr6, dr7)
    return registers
  }

  /// In the order of `VCPU.stateMSRs`.
  mutating func take(msrs values: [UInt64?]) {
    func value(_ index: Int, _ fallback: UInt64 = 0) -> UInt64 { values[index] ?? fallback }
    (star, lstar, cstar, sfmask) = (value(0), value(1), value(2), value(3))
    (kernelGSBase, sysenterCS, sysenterESP, sysenterEIP) = (value(4), value(5), value(6), value(7))
    (pat, tscAux) = (value(8, pat), value(9))
  }

  var msrValues: [UInt64] {
    [star, lstar, cstar, sfmask, kernelGSBase, sysenterCS, sysenterESP, sysenterEIP, pat, tscAux]
  }

  mutating func take(_ e: kvm_vcpu_events) {
    interruptShadow = VCPU.shadow(fromKVM: e.interrupt.shadow)
    nmiMasked = e.nmi.masked != 0
    nmiPending = e.nmi.pending != 0
    if e.exception.injected != 0 || e.exception.pending != 0 {
      pendingEvent = PendingEvent(
        kind: .exception, vector: e.exception.nr,
        errorCode: e.exception.has_error_code != 0 ? e.exception.error_code : nil)
    } else if e.interrupt.injected != 0 {
      pendingEvent = PendingEvent(
        kind: e.interrupt.soft != 0 ? .softwareInterrupt : .externalInterrupt, vector: e.interrupt.nr)
    } else if e.nmi.injected != 0 {
      pendingEvent = PendingEvent(kind: .nmi, vector: 2)
    }
  }

  var events: kvm_vcpu_events {
    var e = kvm_vcpu_events()
    e.flags = UInt32(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW)
    e.interrupt.shadow = VCPU.shadow(toKVM: interruptShadow)
    e.nmi.masked = nmiMasked ? 1 : 0
    e.nmi.pending = nmiPending ? 1 : 0
    guard let event = pendingEvent else { return e }
    switch event.kind {
    case .exception:
      // KVM knows the 32 vectors of exceptions only.
      e.exception.injected = 1
      e.exception.nr = event.vector & 31
      e.exception.has_error_code = event.errorCode == nil ? 0 : 1
      e.exception.error_code = event.errorCode ?? 0
    case .externalInterrupt, .softwareInterrupt:
      e.interrupt.injected = 1
      e.interrupt.nr = event.vector
      e.interrupt.soft = event.kind == .softwareInterrupt ? 1 : 0
    case .nmi:
      e.nmi.injected = 1
    }
    return e
  }
}

extension VCPU {
  /// KVM_X86_SHADOW_INT_MOV_SS is 1 and KVM_X86_SHADOW_INT_STI is 2; CPUState has STI in bit 0 and MOV SS in bit 1.
  static func shadow(fromKVM bits: UInt8) -> UInt8 { (bits & 1) << 1 | (bits >> 1 & 1) }
  static func shadow(toKVM bits: UInt8) -> UInt8 { (bits & 1) << 1 | (bits >> 1 & 1) }
}
