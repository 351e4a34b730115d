internal import VMMCore

// Between the state block and the value that leaves the engine.
extension CPU {
  /// The whole architectural state. Only at an instruction boundary.
  var state: CPUState {
    var state = CPUState()
    for number in 0..<16 { state.gpr[number] = s[number] }
    state.rip = rip
    state.rflags = rflags
    storeSegments(to: &state)
    storeSystemRegisters(to: &state)
    storeFloatingPoint(to: &state)
    storeEvents(to: &state)
    return state
  }

  /// Takes a whole state over. Its cached translations are dropped; so are those of other vCPUs, and blocks, unless the
  /// caller has seen to what no longer holds: memory may have changed with it.
  func load(_ state: CPUState, keepingBlocks: Bool = false) {
    for number in 0..<16 { s[number] = state.gpr[number] }
    rip = state.rip
    rflags = state.rflags
    loadSegments(from: state)
    loadSystemRegisters(from: state)
    loadFloatingPoint(from: state)
    loadEvents(from: state)
    clearReplies()
    s[Slot.repeatIterations] = 0
    if keepingBlocks { flushTLB() } else { core.code.forgetAll() }
    modeChanged()
  }
}

extension CPU {
  /// Takes over what user mode can change; translations and blocks stay.
  func takeUserState(_ state: CPUState) {
    for number in 0..<16 { s[number] = state.gpr[number] }
    rip = state.rip
    rflags = state.rflags
    s[Slot.segmentBase + SegmentNumber.fs] = state.fs.base
    s[Slot.segmentBase + SegmentNumber.gs] = state.gs.base
    loadFloatingPoint(from: state)
    s[Slot.repeatIterations] = 0
    modeChanged()
  }

  func segment(_ number: Int) -> Segment {
    Segment(
      selector: segmentSelector(number), base: segmentBase(number), limit: segmentLimit(number),
      attributes: segmentAttributes(number))
  }

  /// Writes a segment register with its hidden part; the caller calls `modeChanged` when it is done.
  func setSegment(_ number: Int, _ segment: Segment) {
    s[Slot.segmentSelector + number] = UInt64(segment.selector)
    s[Slot.segmentBase + number] = segment.base
    s[Slot.segmentLimit + number] = UInt64(segment.limit)
    s[Slot.segmentAttributes + number] = UInt64(segment.attributes)
  }

  /// LDTR (`Slot.ldtr`) or TR (`Slot.tr`).
  func systemSegment(_ slot: Int) -> Segment {
    Segment(
      selector: UInt16(truncatingIfNeeded: s[slot]), base: s[slot + 1],
      limit: UInt32(truncatingIfNeeded: s[slot + 2]), attributes: UInt32(truncatingIfNeeded: s[slot + 3]))
  }

  func setSystemSegment(_ slot: Int, _ segment: Segment) {
    s[slot] = UInt64(segment.selector)
    s[slot + 1] = segment.base
    s[slot + 2] = UInt64(segment.limit)
    s[slot + 3] = UInt64(segment.attributes)
  }

  private func storeSegments(to state: inout CPUState) {
    state.es = segment(SegmentNumber.es)
    state.cs = segment(SegmentNumber.cs)
    state.ss = segment(SegmentNumber.ss)
    state.ds = segment(SegmentNumber.ds)
    state.fs = segment(SegmentNumber.fs)
    state.gs = segment(SegmentNumber.gs)
    state.ldtr = systemSegment(Slot.ldtr)
    state.tr = systemSegment(Slot.tr)
    state.gdtr = DescriptorTable(base: s[Slot.gdtr], limit: UInt16(truncatingIfNeeded: s[Slot.gdtr + 1]))
    state.idtr = DescriptorTable(base: s[Slot.idtr], limit: UInt16(truncatingIfNeeded: s[Slot.idtr + 1]))
  }

  private func loadSegments(from state: CPUState) {
    setSegment(SegmentNumber.es, state.es)
    setSegment(SegmentNumber.cs, state.cs)
    setSegment(SegmentNumber.ss, state.ss)
    setSegment(SegmentNumber.ds, state.ds)
    setSegment(SegmentNumber.fs, state.fs)
    setSegment(SegmentNumber.gs, state.gs)
    setSystemSegment(Slot.ldtr, state.ldtr)
    setSystemSegment(Slot.tr, state.tr)
    s[Slot.gdtr] = state.gdtr.base
    s[Slot.gdtr + 1] = UInt64(state.gdtr.limit)
    s[Slot.idtr] = state.idtr.base
    s[Slot.idtr + 1] = UInt64(state.idtr.limit)
  }

  private func storeSystemRegisters(to state: inout CPUState) {
    state.cr0 = s[Slot.cr0]
    state.cr2 = s[Slot.cr2]
    state.cr3 = s[Slot.cr3]
    state.cr4 = s[Slot.cr4]
    state.cr8 = s[Slot.cr8]
    state.xcr0 = s[Slot.xcr0]
    state.dr0 = s[Slot.dr]
    state.dr1 = s[Slot.dr + 1]
    state.dr2 = s[Slot.dr + 2]
    state.dr3 = s[Slot.dr + 3]
    state.dr6 = s[Slot.dr + 6]
    state.dr7 = s[Slot.dr + 7]
    state.efer = s[Slot.efer]
    state.star = s[Slot.star]
    state.lstar = s[Slot.lstar]
    state.cstar = s[Slot.cstar]
    state.sfmask = s[Slot.sfmask]
    state.kernelGSBase = s[Slot.kernelGSBase]
    state.sysenterCS = s[Slot.sysenterCS]
    state.sysenterESP = s[Slot.sysenterESP]
    state.sysenterEIP = s[Slot.sysenterEIP]
    state.apicBase = s[Slot.apicBase]
    state.pat = s[Slot.pat]
    state.tscAux = s[Slot.tscAux]
  }

  private func loadSystemRegisters(from state: CPUState) {
    s[Slot.cr0] = state.cr0
    s[Slot.cr2] = state.cr2
    s[Slot.cr3] = state.cr3
    s[Slot.cr4] = state.cr4
    s[Slot.cr8] = state.cr8
    s[Slot.xcr0] = state.xcr0
    s[Slot.dr] = state.dr0
    s[Slot.dr + 1] = state.dr1
    s[Slot.dr + 2] = state.dr2
    s[Slot.dr + 3] = state.dr3
    s[Slot.dr + 6] = state.dr6
    s[Slot.dr + 7] = state.dr7
    s[Slot.efer] = state.efer
    s[Slot.star] = state.star
    s[Slot.lstar] = state.lstar
    s[Slot.cstar] = state.cstar
    s[Slot.sfmask] = state.sfmask
    s[Slot.kernelGSBase] = state.kernelGSBase
    s[Slot.sysenterCS] = state.sysenterCS
    s[Slot.sysenterESP] = state.sysenterESP
    s[Slot.sysenterEIP] = state.sysenterEIP
    s[Slot.apicBase] = state.apicBase
    s[Slot.pat] = state.pat
    s[Slot.tscAux] = state.tscAux
  }

  private func storeFloatingPoint(to state: inout CPUState) {
    let top = Int(truncatingIfNeeded: s[Slot.fpuTop] & 7)
    state.fcw = UInt16(truncatingIfNeeded: s[Slot.fcw])
    state.fsw = UInt16(truncatingIfNeeded: s[Slot.fsw]) & ~(7 << 11) | UInt16(top) << 11
    state.ftw = UInt8(truncatingIfNeeded: s[Slot.ftw])
    state.fop = UInt16(truncatingIfNeeded: s[Slot.fop])
    state.fip = s[Slot.fip]
    state.fdp = s[Slot.fdp]
    state.mxcsr = UInt32(truncatingIfNeeded: s[Slot.mxcsr])
    for number in 0..<8 {
      let physical = (top + number) & 7
      state.stSignificand[number] = s[Slot.x87Significand(physical)]
      state.stSignExponent[number] = UInt16(truncatingIfNeeded: s[Slot.x87SignExponent(physical)])
    }
    for lane in 0..<32 { state.xmm[lane] = s[Slot.xmm + lane] }
  }

  private func loadFloatingPoint(from state: CPUState) {
    let top = Int(state.fsw >> 11 & 7)
    s[Slot.fcw] = UInt64(state.fcw)
    s[Slot.fsw] = UInt64(state.fsw & ~(7 << 11))
    s[Slot.fpuTop] = UInt64(top)
    s[Slot.ftw] = UInt64(state.ftw)
    s[Slot.fop] = UInt64(state.fop)
    s[Slot.fip] = state.fip
    s[Slot.fdp] = state.fdp
    s[Slot.mxcsr] = UInt64(state.mxcsr)
    for number in 0..<8 {
      let physical = (top + number) & 7
      s[Slot.x87Significand(physical)] = state.stSignificand[number]
      s[Slot.x87SignExponent(physical)] = UInt64(state.stSignExponent[number])
    }
    for lane in 0..<32 { s[Slot.xmm + lane] = state.xmm[lane] }
  }

  private func storeEvents(to state: inout CPUState) {
    state.interruptShadow = UInt8(truncatingIfNeeded: s[Slot.interruptShadow])
    state.nmiMasked = s[Slot.nmiMasked] != 0
    state.nmiPending = s[Slot.nmiPending] != 0
    state.halted = s[Slot.halted] != 0
    state.pendingEvent = pendingEvent
  }

  private func loadEvents(from state: CPUState) {
    s[Slot.interruptShadow] = UInt64(state.interruptShadow)
    s[Slot.nmiMasked] = state.nmiMasked ? 1 : 0
    s[Slot.nmiPending] = state.nmiPending ? 1 : 0
    s[Slot.halted] = state.halted ? 1 : 0
    pendingEvent = state.pendingEvent
    s[Slot.faultPending] = 0
  }
}
