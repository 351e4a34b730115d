/// The whole architectural state of one vCPU at an instruction boundary.
///
/// General registers are in the order of their numbers in the instruction set: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi,
/// r8 … r15. `CPUStateFields.swift` names every field once; encoding, digest and difference derive from that table.
public struct CPUState: Equatable, Sendable {
  public var gpr = SIMD16<UInt64>(repeating: 0)
  public var rip: UInt64 = 0xfff0
  public var rflags: UInt64 = 2

  public var cs = Segment(selector: 0xf000, base: 0xffff_0000, limit: 0xffff, attributes: 0x9b)
  public var ss = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
  public var ds = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
  public var es = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
  public var fs = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
  public var gs = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
  public var ldtr = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x82)
  public var tr = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x8b)
  public var gdtr = DescriptorTable(base: 0, limit: 0xffff)
  public var idtr = DescriptorTable(base: 0, limit: 0xffff)

  public var cr0: UInt64 = 0x6000_0010
  public var cr2: UInt64 = 0
  public var cr3: UInt64 = 0
  public var cr4: UInt64 = 0
  public var cr8: UInt64 = 0
  public var xcr0: UInt64 = 1
  public var dr0: UInt64 = 0
  public var dr1: UInt64 = 0
  public var dr2: UInt64 = 0
  public var dr3: UInt64 = 0
  public var dr6: UInt64 = 0xffff_0ff0
  public var dr7: UInt64 = 0x400

  public var efer: UInt64 = 0
  public var star: UInt64 = 0
  public var lstar: UInt64 = 0
  public var cstar: UInt64 = 0
  /// IA32_FMASK.
  public var sfmask: UInt64 = 0
  public var kernelGSBase: UInt64 = 0
  public var sysenterCS: UInt64 = 0
  public var sysenterESP: UInt64 = 0
  public var sysenterEIP: UInt64 = 0
  public var apicBase: UInt64 = APICBase.standard
  public var pat: UInt64 = 0x0007_0406_0007_0406
  public var tscAux: UInt64 = 0

  /// x87: control, status (TOP in bits 13:11) and abridged tag word (one bit a physical register, set = in use), as
  /// FXSAVE holds them.
  public var fcw: UInt16 = 0x37f
  public var fsw: UInt16 = 0
  public var ftw: UInt8 = 0
  public var fop: UInt16 = 0
  public var fip: UInt64 = 0
  public var fdp: UInt64 = 0
  /// ST0 … ST7 (stack order, as FXSAVE holds them): significand, and sign with exponent. MMX registers are the
  /// significands of the physical registers.
  public var stSignificand = SIMD8<UInt64>(repeating: 0)
  public var stSignExponent = SIMD8<UInt16>(repeating: 0)
  public var mxcsr: UInt32 = 0x1f80
  /// XMM0 … XMM15: lanes 2n (bits 63:0) and 2n+1 (bits 127:64).
  public var xmm = SIMD32<UInt64>(repeating: 0)

  /// Interrupts are held off for one instruction: bit 0 after STI, bit 1 after MOV SS or POP SS; with the latter bits
  /// 7:4 are the data breakpoints that it hit, as in DR6, which wait for as long (software engine).
  public var interruptShadow: UInt8 = 0
  /// An NMI is being handled: further ones wait for IRET.
  public var nmiMasked = false
  /// An NMI waits for the mask to lift.
  public var nmiPending = false
  /// HLT retired and nothing has woken the vCPU yet.
  public var halted = false
  /// An event whose delivery has begun and is done first when the vCPU runs on.
  public var pendingEvent: PendingEvent?

  /// The state after RESET (Intel SDM vol. 3, table 10-1).
  public init() {}
}

/// An exception or interrupt that is to be delivered before the next instruction.
public struct PendingEvent: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    case externalInterrupt = 0
    case nmi = 2
    case exception = 3
    case softwareInterrupt = 4
  }
  public var kind: Kind
  public var vector: UInt8
  public var errorCode: UInt32?
  public init(kind: Kind, vector: UInt8, errorCode: UInt32? = nil) {
    self.kind = kind
    self.vector = vector
    self.errorCode = errorCode
  }
}

extension CPUState {
  /// CPL: the DPL of SS (Intel SDM vol. 3, 5.5), which also holds in real mode (0) and virtual-8086 mode (3).
  public var privilegeLevel: UInt8 { ss.privilegeLevel }
  /// The vCPU is in 64-bit code: EFER.LMA and CS.L.
  public var is64Bit: Bool { efer & 1 << 10 != 0 && cs.isLong }
  /// The linear address of the next instruction.
  public var linearRIP: UInt64 { is64Bit ? rip : (cs.base &+ rip) & 0xffff_ffff }

  public var rax: UInt64 {
    get { gpr[0] }
    set { gpr[0] = newValue }
  }
  public var rcx: UInt64 {
    get { gpr[1] }
    set { gpr[1] = newValue }
  }
  public var rdx: UInt64 {
    get { gpr[2] }
    set { gpr[2] = newValue }
  }
  public var rbx: UInt64 {
    get { gpr[3] }
    set { gpr[3] = newValue }
  }
  public var rsp: UInt64 {
    get { gpr[4] }
    set { gpr[4] = newValue }
  }
  public var rbp: UInt64 {
    get { gpr[5] }
    set { gpr[5] = newValue }
  }
  public var rsi: UInt64 {
    get { gpr[6] }
    set { gpr[6] = newValue }
  }
  public var rdi: UInt64 {
    get { gpr[7] }
    set { gpr[7] = newValue }
  }
}
