/// What executes an instruction: the dense number that the interpreter's switch jumps on. A family covers all operand
/// sizes and, through `Instruction.kind`, all its operations.
enum Handler: UInt16 {
  case undefined
  // Arithmetic and logic: kind is `ALU`.
  case aluRMReg
  case aluRegRM
  case aluRMImm
  case testRMReg
  case testRMImm
  /// INC, DEC, NOT, NEG: kind is `Unary`.
  case unaryRM
  /// ROL … SAR: kind is ModRM.reg.
  case shiftRMImm
  case shiftRMCL
  case doubleShiftImm
  case doubleShiftCL
  case mulRM
  case imulRM
  case divRM
  case idivRM
  case imulRegRM
  case imulRegRMImm
  // Moves.
  case movRMReg
  case movRegRM
  case movRMImm
  /// Kind is the source's size; sign extension for movsx.
  case movzx
  case movsx
  case lea
  case xchgRMReg
  case cmov
  case setcc
  case bswap
  case movbeLoad
  case movbeStore
  case convertA
  case convertD
  case xlat
  // Stack.
  case pushRM
  case pushImm
  case popRM
  case pushAll
  case popAll
  case enter
  case leave
  // Control flow: the immediate is the target.
  case jmp
  case jcc
  case call
  case jmpRM
  case callRM
  case ret
  case loop
  case jcxz
  // Bits: kind is BT, BTS, BTR, BTC.
  case bitReg
  case bitImm
  case bsf
  case bsr
  case tzcnt
  case lzcnt
  case popcnt
  case crc32
  case adcx
  case adox
  // VEX: kind is the byte offset of the register in VEX.vvvv.
  case andn
  case bextr
  case blsr
  case blsmsk
  case blsi
  case bzhi
  case pdep
  case pext
  case rorx
  case sarx
  case shlx
  case shrx
  case mulx
  // Locked and exchange.
  case xadd
  case cmpxchg
  case cmpxchg8b
  // Strings.
  case movs
  case cmps
  case stos
  case lods
  case scas
  case ins
  case outs
  case inImm
  case inDX
  case outImm
  case outDX
  // Flags: kind is `FlagOperation`.
  case flagOperation
  case lahf
  case sahf
  // Decimal: 16- and 32-bit code only.
  case daa
  case das
  case aaa
  case aas
  case aam
  case aad
  case salc
  case bound
  case nop
  /// CLFLUSH and the like: touches memory as a load does.
  case touch
  /// Kind is `SystemOperation`.
  case system
  case x87
  case vector

  // Fast forms, which only the block builder makes: `reg` is the destination, `rm` the source; 32 or 64 bits.
  case mov64, mov32, movImm, load8, load16, load32, load64, store8, store16, store32, store64
  case storeImm8, storeImm16, storeImm32, storeImm64
  case zero8, zero16, sign32, loadZero8, loadZero16, loadSign32
  case lea64, lea32
  case add64, add32, or64, or32, and64, and32, sub64, sub32, xor64, xor32, cmp64, cmp32
  case addImm64, addImm32, orImm64, orImm32, andImm64, andImm32, subImm64, subImm32, xorImm64, xorImm32
  case cmpImm64, cmpImm32, cmpImm8
  case addLoad64, addLoad32, orLoad64, orLoad32, andLoad64, andLoad32, subLoad64, subLoad32, xorLoad64, xorLoad32
  case cmpLoad64, cmpLoad32, cmpMemImm64, cmpMemImm32, cmpMemImm8, cmpMemReg64, cmpMemReg32
  case aluMemImm64, aluMemImm32, aluMemReg64, aluMemReg32
  case test64, test32, test8, testImm64, testImm32, testImm8, testMemImm8
  case inc64, inc32, dec64, dec32
  case shl64, shl32, shr64, shr32, sar64, sar32
  case imul64, imul32, setccRegister, cmov64, cmov32
  // The same without flags.
  case addQuiet64, addQuiet32, orQuiet64, orQuiet32, andQuiet64, andQuiet32, subQuiet64, subQuiet32
  case xorQuiet64, xorQuiet32, addImmQuiet64, addImmQuiet32, andImmQuiet64, andImmQuiet32
  case subImmQuiet64, subImmQuiet32, shlQuiet64, shlQuiet32, shrQuiet64, shrQuiet32, sarQuiet64, sarQuiet32
  case push64, pop64
  /// The target is the immediate; the displacement is the block there, once it is known and in the same page.
  case jmpDirect, call64, ret64, jmpIndirect64, callIndirect64
  case jccO, jccNO, jccB, jccAE, jccE, jccNE, jccBE, jccA, jccS, jccNS, jccP, jccNP, jccL, jccGE, jccLE, jccG
  /// A comparison with the conditional branch that follows it: kind is its `TruthTable`.
  case cmpBranch64, cmpBranch32, cmpImmBranch64, cmpImmBranch32, cmpImmBranch8
  case testBranch64, testBranch32, testBranch8, testImmBranch64, testImmBranch32, testImmBranch8
  /// Goes on to the next block: as a direct branch, or wherever RIP points.
  case blockEnd, dispatch
  /// The code here has changed.
  case stale
  /// The address to stop at.
  case stopHere
  /// The head of a block: counts how often it is entered (`Block.heat`), leads to its host code (`Block.code`), or goes
  /// on, where there will be none. Each notes that the block is entered.
  case heat, translated, entry

  /// JO … JG in their fast forms.
  var isDirectConditional: Bool { rawValue >= Handler.jccO.rawValue && rawValue <= Handler.jccG.rawValue }
}

/// ADD … CMP, as the opcodes number them.
enum ALU {
  static var add: UInt8 { 0 }
  static var or: UInt8 { 1 }
  static var adc: UInt8 { 2 }
  static var sbb: UInt8 { 3 }
  static var and: UInt8 { 4 }
  static var sub: UInt8 { 5 }
  static var xor: UInt8 { 6 }
  static var cmp: UInt8 { 7 }
}

enum Unary {
  static var inc: UInt8 { 0 }
  static var dec: UInt8 { 1 }
  static var not: UInt8 { 2 }
  static var neg: UInt8 { 3 }
}

enum FlagOperation {
  static var clc: UInt8 { 0 }
  static var stc: UInt8 { 1 }
  static var cmc: UInt8 { 2 }
  static var cld: UInt8 { 3 }
  static var std: UInt8 { 4 }
}

/// The instructions of the family `.system`: `Instruction.kind`.
enum SystemOperation: UInt8 {
  // Segments and far transfers.
  case movToSegment, movFromSegment, pushSegment, popSegment
  /// LES, LDS, LSS, LFS, LGS: `Instruction.reg` is the general register, `immediate` the segment's number.
  case loadFarPointer
  /// Direct: `immediate` is the offset, `displacement` the selector. The others read memory.
  case jmpFar, callFar, jmpFarIndirect, callFarIndirect
  /// `immediate` is the number of bytes to release.
  case retFar
  case iret
  // Interrupts. INT n: `immediate` is n.
  case int1, int3, intN, into
  case hlt, cli, sti, pushf, popf
  case syscall, sysret, sysenter, sysexit
  // 0F 00.
  case sldt, str, lldt, ltr, verr, verw
  // 0F 01.
  case sgdt, sidt, lgdt, lidt, smsw, lmsw, invlpg, swapgs, rdtscp, xgetbv, xsetbv, clac, stac, monitor, mwait
  case lar, lsl, arpl
  case clts, invd, wbinvd, rsm
  // `Instruction.reg` is the control or debug register, `rm` the general one.
  case movFromCR, movToCR, movFromDR, movToDR
  case rdmsr, wrmsr, rdtsc, rdpmc, cpuid
  case rdrand, rdseed, rdpid
  case rdfsbase, rdgsbase, wrfsbase, wrgsbase
  case invpcid
}
