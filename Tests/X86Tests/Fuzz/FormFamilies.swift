internal import VMMCore

@testable internal import X86

/// How the report groups forms.
enum FormFamily: String, CaseIterable {
  case arithmetic = "arithmetic and logic"
  case shifts = "shifts and rotates"
  case multiplication = "multiplication and division"
  case moves = "moves and exchange"
  case stack = "stack"
  case branches = "branches"
  case bits = "bits, BMI, CRC32"
  case strings = "strings"
  case flags = "flags"
  case x87 = "x87"
  case mmx = "MMX"
  case sse = "SSE to SSE4.2"
  case state = "FXSAVE, XSAVE, MXCSR"
  case segments = "segments and bases"
  case far = "far transfers and interrupts"
  case hints = "hints and prefetches"
  case privileged = "privileged (fault)"
}

extension InstructionForm {
  var family: FormFamily {
    switch handler {
    case .aluRMReg, .aluRegRM, .aluRMImm, .testRMReg, .testRMImm, .unaryRM, .adcx, .adox: return .arithmetic
    case .shiftRMImm, .shiftRMCL, .doubleShiftImm, .doubleShiftCL: return .shifts
    case .mulRM, .imulRM, .divRM, .idivRM, .imulRegRM, .imulRegRMImm: return .multiplication
    case .pushRM, .pushImm, .popRM, .pushAll, .popAll, .enter, .leave: return .stack
    case .daa, .das, .aaa, .aas, .aam, .aad: return .arithmetic
    case .jmp, .jcc, .call, .jmpRM, .callRM, .ret, .loop, .jcxz: return .branches
    case .bitReg, .bitImm, .bsf, .bsr, .tzcnt, .lzcnt, .popcnt, .crc32, .andn, .bextr, .blsr, .blsmsk, .blsi, .bzhi,
      .pdep, .pext, .rorx, .sarx, .shlx, .shrx, .mulx:
      return .bits
    case .movs, .cmps, .stos, .lods, .scas: return .strings
    case .ins, .outs, .inImm, .inDX, .outImm, .outDX: return .privileged
    case .flagOperation, .lahf, .sahf: return .flags
    case .x87: return .x87
    case .nop, .touch: return .hints
    case .vector: return isStateTransfer ? .state : isMMX ? .mmx : .sse
    case .system: return systemFamily
    default: return .moves
    }
  }

  /// FXSAVE and its neighbours.
  var isStateTransfer: Bool { handler == .vector && map == 1 && (opcode == 0xae || opcode == 0xc7) }

  /// FLDENV, FNSTENV, FRSTOR, FNSAVE.
  var isEnvironment: Bool {
    guard handler == .x87, isMemory, case .row(let row) = modRM else { return false }
    return (opcode == 0xd9 || opcode == 0xdd) && (row == 4 || row == 6)
  }

  /// EMMS; from vector registers to those of MMX or the other way: CVTPI2PS, CVTPI2PD, their opposites, MOVQ2DQ,
  /// MOVDQ2Q.
  var isBetweenVectorAndMMX: Bool {
    guard handler == .vector, map == 1 else { return false }
    if opcode == 0x77 { return prefix == nil }
    return prefix == nil || prefix == 0x66 ? [0x2a, 0x2c, 0x2d].contains(opcode) : opcode == 0xd6
  }

  private var isMMX: Bool {
    prefix == nil && (map == 2 || map == 3 || opcode >= 0x60 && ![0xc2, 0xc6].contains(opcode))
  }

  private var systemFamily: FormFamily {
    switch systemOperation {
    case .movToSegment, .movFromSegment, .pushSegment, .popSegment, .loadFarPointer, .rdfsbase, .rdgsbase, .wrfsbase,
      .wrgsbase, .lar, .lsl, .verr, .verw:
      return .segments
    case .jmpFar, .callFar, .jmpFarIndirect, .callFarIndirect, .retFar, .iret, .int1, .int3, .intN, .into: return .far
    case .pushf, .popf: return .flags
    default: return .privileged
    }
  }

  /// Why the fuzzer does not execute the form in a mode; `nil` for those that it must cover.
  func exclusion(in mode: FuzzMode, _ oracle: FuzzOracle) -> String? {
    if oracle == .host, let feature, !OracleProfile.cpu.has(feature) { return "this CPU has no \(feature.name)" }
    if oracle == .qemu && (systemOperation == .monitor || systemOperation == .mwait) {
      return "QEMU has them, and waits"
    }
    if oracle == .qemu && mode.is64 && size == 2 && isTable { return "QEMU moves 24 bits of the base" }
    if mode.isKernel { return exclusionInKernel(oracle) }
    if mode == .real {
      switch systemOperation {
      case .hlt: return "ends the program"
      case .lgdt, .lidt, .movToCR, .movToDR, .lmsw, .wrmsr, .rdmsr, .xsetbv:
        return "changes what the program stands on"
      case .sgdt, .sidt, .smsw: return nil
      default: break
      }
    }
    if mode == .v86 {
      switch systemOperation {
      case .sgdt, .sidt, .smsw: return nil
      default: break
      }
    }
    switch systemOperation {
    case .syscall: return "enters the host's kernel"
    // With whatever lies in EAX: a thread of this process has ended so. On AMD's CPUs it is #UD in long mode.
    case .sysenter where mode != .real && mode != .v86 && !OracleProfile.isAMD: return "enters the host's kernel"
    case .rdtsc, .rdtscp: return "reads the host's clock"
    case .rdrand, .rdseed: return "random"
    case .cpuid, .xgetbv, .rdpid: return "tells of the host"
    case .int1: return "the hypervisor below the host reports another RIP"
    case .sgdt, .sidt, .sldt, .str, .smsw: return "the host's kernel answers in the CPU's place (UMIP)"
    default: return nil
    }
  }

  /// The same at CPL 0.
  private func exclusionInKernel(_ oracle: FuzzOracle) -> String? {
    switch systemOperation {
    // It has no counters, as the software CPU.
    case .rdpmc where oracle == .qemu: nil
    case .hlt: "ends the program"
    case .rdtsc, .rdtscp: "reads the clock"
    case .rdrand, .rdseed: "random"
    case .cpuid, .rdpid, .rdpmc: "tells of the host"
    case .int1: "the hypervisor below the host reports another RIP"
    case .monitor, .mwait: "waits"
    case .invpcid: "not every oracle has it"
    default: nil
    }
  }

  private var isTable: Bool { [.lgdt, .lidt, .sgdt, .sidt].contains(systemOperation) }

  /// What a CPU must have for the form, beyond x86-64-v2.
  private var feature: CPUFeature? {
    switch handler {
    case .tzcnt, .andn, .bextr, .blsr, .blsmsk, .blsi: .bmi1
    case .bzhi, .pdep, .pext, .rorx, .sarx, .shlx, .shrx, .mulx: .bmi2
    case .lzcnt: .lzcnt
    case .adcx, .adox: .adx
    case .movbeLoad, .movbeStore: .movbe
    default:
      switch systemOperation {
      case .rdfsbase, .rdgsbase, .wrfsbase, .wrgsbase: .fsgsbase
      default: nil
      }
    }
  }

  /// Results whose last bit the architecture leaves open: the transcendental functions.
  var isApproximate: Bool {
    guard handler == .x87, opcode == 0xd9, case .exact(let modRM) = modRM else { return false }
    return [0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff].contains(modRM)
  }

  /// Raises a fault in the mode, whatever its operands are.
  func isPrivileged(in mode: FuzzMode) -> Bool {
    family == .privileged && mode != .real && !mode.isKernel || isVEX && mode.isReal
  }
}
