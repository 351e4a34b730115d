internal import VMMCore

extension CPU {
  /// The instructions of `SystemOperation`.
  @inline(never)
  func executeSystem(_ op: Op) -> Bool {
    guard let operation = SystemOperation(rawValue: op.kind) else { return raiseUndefined() }
    switch operation {
    case .movToSegment: return executeMoveToSegment(op)
    case .movFromSegment: return executeMoveFromSegment(op)
    case .pushSegment: return executePushSegment(op)
    case .popSegment: return executePopSegment(op)
    case .loadFarPointer: return executeLoadFarPointer(op)
    case .jmpFar: return executeFarDirect(op, call: false)
    case .callFar: return executeFarDirect(op, call: true)
    case .jmpFarIndirect: return executeFarIndirect(op, call: false)
    case .callFarIndirect: return executeFarIndirect(op, call: true)
    case .retFar: return executeReturnFar(op)
    case .iret: return executeInterruptReturn(op)
    case .int1: return executeInterrupt(ExceptionVector.debug, software: false)
    case .int3: return executeInterrupt(ExceptionVector.breakpoint)
    case .intN: return executeInterruptNumber(op)
    case .into: return of ? executeInterrupt(ExceptionVector.overflow) : true
    case .hlt: return executeHalt()
    case .cli: return executeClearInterrupt()
    case .sti: return executeSetInterrupt()
    case .pushf: return executePushFlags(op)
    case .popf: return executePopFlags(op)
    case .syscall: return executeSyscall(op)
    case .sysret: return executeSysret(op)
    case .sysenter: return executeSysenter(op)
    case .sysexit: return executeSysexit(op)
    default: return executeRegisters(op, operation)
    }
  }

  private func executeInterruptNumber(_ op: Op) -> Bool {
    if isProtected && isVirtual8086 && s[Slot.systemFlags] & RFlags.iopl != RFlags.iopl { return raiseProtection() }
    return executeInterrupt(UInt8(truncatingIfNeeded: op.immediate))
  }

  private func executeRegisters(_ op: Op, _ operation: SystemOperation) -> Bool {
    switch operation {
    case .sldt: return executeStoreSystemSegment(op, Slot.ldtr)
    case .str: return executeStoreSystemSegment(op, Slot.tr)
    case .lldt: return executeLoadLocalTable(op)
    case .ltr: return executeLoadTask(op)
    case .verr: return executeVerify(op, write: false)
    case .verw: return executeVerify(op, write: true)
    case .sgdt: return executeStoreTable(op, Slot.gdtr)
    case .sidt: return executeStoreTable(op, Slot.idtr)
    case .lgdt: return executeLoadTable(op, Slot.gdtr)
    case .lidt: return executeLoadTable(op, Slot.idtr)
    case .smsw: return executeStoreMachineStatus(op)
    case .lmsw: return executeLoadMachineStatus(op)
    case .invlpg: return executeInvalidatePage(op)
    case .xgetbv: return executeGetExtendedControl()
    case .xsetbv: return executeSetExtendedControl()
    case .clac: return executeAccessFlag(set: false)
    case .stac: return executeAccessFlag(set: true)
    case .lar: return executeLoadRights(op, limit: false)
    case .lsl: return executeLoadRights(op, limit: true)
    case .arpl: return executeAdjustLevel(op)
    case .clts: return executeClearTaskSwitched()
    case .invd, .wbinvd: return privilegeLevel == 0 ? true : raiseProtection()
    case .movFromCR: return executeMoveFromControl(op)
    case .movToCR: return executeMoveToControl(op)
    case .movFromDR: return executeMoveFromDebug(op)
    case .movToDR: return executeMoveToDebug(op)
    case .invpcid: return executeInvalidateContext(op)
    default: return executeIdentification(op, operation)
    }
  }

  private func executeIdentification(_ op: Op, _ operation: SystemOperation) -> Bool {
    switch operation {
    case .swapgs: return executeSwapGS()
    case .rdmsr: return executeReadModelRegister()
    case .wrmsr: return executeWriteModelRegister()
    case .rdtsc: return executeReadTimestamp(withProcessor: false)
    case .rdtscp: return executeReadTimestamp(withProcessor: true)
    // There are no performance counters.
    case .rdpmc: return raiseProtection()
    case .cpuid: return executeCPUID()
    case .rdrand: return executeRandom(op, .rdrand)
    case .rdseed: return executeRandom(op, .rdseed)
    case .rdpid: return executeReadProcessorID(op)
    case .rdfsbase: return executeReadBase(op, SegmentNumber.fs)
    case .rdgsbase: return executeReadBase(op, SegmentNumber.gs)
    case .wrfsbase: return executeWriteBase(op, SegmentNumber.fs)
    case .wrgsbase: return executeWriteBase(op, SegmentNumber.gs)
    // MONITOR, MWAIT, RSM.
    default: return raiseUndefined()
    }
  }
}
