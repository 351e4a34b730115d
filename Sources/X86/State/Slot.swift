/// The layout of the state block: word indices. Everything that an instruction may touch lies in one block of plain
/// 64-bit words, so that the interpreter needs one base register, and a translator to host code can use the same block.
///
/// Words 0 ..< 32 are the hot ones; operands name them by byte offset in a `UInt8` (`Instruction.base`).
enum Slot {
  /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … r15.
  static var gpr: Int { 0 }
  /// Always zero: the base, index or segment base of an address that has none.
  static var zero: Int { 16 }
  /// ES, CS, SS, DS, FS, GS: bases.
  static var segmentBase: Int { 17 }
  static var rip: Int { 23 }
  /// ZF is set exactly when this word is zero.
  static var flagZero: Int { 24 }
  /// SF is bit 63; PF is the even parity of bits 7:0.
  static var flagSign: Int { 25 }
  /// CF is bit 63; OF is bit 63 xor bit 62; AF is bit 3.
  static var flagCarry: Int { 26 }
  /// RFLAGS without CF, PF, AF, ZF, SF, OF.
  static var systemFlags: Int { 27 }
  /// Instructions that may still retire before the run's limit (signed).
  static var remaining: Int { 28 }
  /// The count of retired instructions at which `remaining` is zero.
  static var limit: Int { 29 }
  /// The word index of the current TLB context's first entry.
  static var tlb: Int { 30 }

  static var segmentLimit: Int { 32 }
  /// As `Segment.attributes`.
  static var segmentAttributes: Int { 38 }
  static var segmentSelector: Int { 44 }
  /// LDTR and TR: selector, base, limit, attributes.
  static var ldtr: Int { 50 }
  static var tr: Int { 54 }
  /// GDTR and IDTR: base, limit.
  static var gdtr: Int { 58 }
  static var idtr: Int { 60 }

  static var cr0: Int { 62 }
  static var cr2: Int { 63 }
  static var cr3: Int { 64 }
  static var cr4: Int { 65 }
  static var cr8: Int { 66 }
  static var xcr0: Int { 67 }
  /// DR0 … DR3, then DR6 and DR7 at their numbers.
  static var dr: Int { 68 }
  static var efer: Int { 76 }
  static var star: Int { 77 }
  static var lstar: Int { 78 }
  static var cstar: Int { 79 }
  static var sfmask: Int { 80 }
  static var kernelGSBase: Int { 81 }
  static var sysenterCS: Int { 82 }
  static var sysenterESP: Int { 83 }
  static var sysenterEIP: Int { 84 }
  static var apicBase: Int { 85 }
  static var pat: Int { 86 }
  static var tscAux: Int { 87 }

  /// x87: control word, status word without TOP, TOP (0 … 7), abridged tag word by physical register, FOP, FIP, FDP.
  static var fcw: Int { 88 }
  static var fsw: Int { 89 }
  static var fpuTop: Int { 90 }
  static var ftw: Int { 91 }
  static var fop: Int { 92 }
  static var fip: Int { 93 }
  static var fdp: Int { 94 }
  static var mxcsr: Int { 95 }
  /// Physical x87 registers R0 … R7, two words each: significand (also the MMX register), then sign and exponent (16
  /// bits), so that the first ten bytes are the number as memory has it.
  static var x87Registers: Int { 96 }
  @inline(__always) static func x87Significand(_ number: Int) -> Int { x87Registers &+ 2 &* number }
  @inline(__always) static func x87SignExponent(_ number: Int) -> Int { x87Registers &+ 2 &* number &+ 1 }

  /// What is going on between instructions: see `CPU` accessors of the same names.
  static var interruptShadow: Int { 112 }
  static var nmiMasked: Int { 113 }
  static var nmiPending: Int { 114 }
  static var halted: Int { 115 }
  /// A pending event: 0 none, or 1 + kind; vector; error code; has an error code.
  static var eventKind: Int { 116 }
  static var eventVector: Int { 117 }
  static var eventErrorCode: Int { 118 }
  static var eventHasErrorCode: Int { 119 }
  /// A fault that the current instruction raised: 0 none, or 1; vector; error code; has an error code.
  static var faultPending: Int { 120 }
  static var faultVector: Int { 121 }
  static var faultErrorCode: Int { 122 }
  static var faultHasErrorCode: Int { 123 }
  /// The fault is a #GP for an address that is not canonical: #SS where the segment is SS.
  static var faultNotCanonical: Int { 124 }

  /// XMM0 … XMM15, two words each.
  static var xmm: Int { 128 }

  /// An exit that the current instruction asks for: `ExitKind` (0 none), address or port or index, size, value.
  static var exitKind: Int { 192 }
  static var exitAddress: Int { 193 }
  static var exitSize: Int { 194 }
  static var exitValue: Int { 195 }
  /// Answers to the current instruction's interactions so far: how many there are, how many are used up in this
  /// attempt, whether the last one is a #GP.
  static var replyCount: Int { 196 }
  static var replyCursor: Int { 197 }
  static var replyFaults: Int { 198 }
  /// Completed iterations of the REP instruction under way.
  static var repeatIterations: Int { 199 }
  /// The REP instruction stops before this many iterations (0: no limit).
  static var repeatLimit: Int { 200 }
  /// Derived by `modeChanged`: see `Mode`.
  static var mode: Int { 201 }
  /// Derived: 0 … 3.
  static var privilegeLevel: Int { 203 }
  /// Another thread asks the run to end.
  static var kick: Int { 204 }
  /// The base of the code segment that the epoch of the lower half stands for.
  static var codeBase: Int { 205 }
  /// The limit of the code segment that they were cached for; all ones for 64-bit code.
  static var codeLimit: Int { 224 }
  /// Reserved bits of a page-table entry above the physical address width.
  static var reservedAddressBits: Int { 206 }
  /// The features that the MMU offers: bit 0 1 GiB pages.
  static var pagingFeatures: Int { 207 }
  /// Guest memory as plain words: number of regions, then for each its start, size, host address, first page index.
  static var regionCount: Int { 208 }
  static var regions: Int { 209 }
  /// The address of `GuestMemory.dirty`, and of one byte of `PageUse` for each page.
  static var dirtyBitmap: Int { 217 }
  static var pageUse: Int { 218 }
  /// The `CPUCore` that owns this block.
  static var core: Int { 219 }
  /// The linear address before which a run stops, and whether there is one.
  static var stopAddress: Int { 220 }
  static var hasStopAddress: Int { 221 }
  /// Accesses on the slow path are reported to `mayAccess`: bit 0, data breakpoints are armed (DR7), and all accesses
  /// take the slow path; bit 1, a debugger watches memory, and the accesses to its pages do.
  static var dataBreakpoints: Int { 222 }
  /// The bits of MXCSR that exist: MXCSR_MASK.
  static var mxcsrMask: Int { 223 }
  /// The address of the `Instruction` that the stepper decodes into.
  static var scratchOp: Int { 226 }
  /// For each half of the linear addresses: the address of the current set of the jump cache, and what its ways depend
  /// on, translation epoch and mode; the epoch.
  static var jumpCache: Int { 240 }
  static var translationKey: Int { 242 }
  static var epoch: Int { 244 }
  /// What has been cached since the last flush, a bit for each half: data (1, 2), code (4, 8).
  static var cachedHalves: Int { 246 }

  static var replies: Int { 256 }
  static var replyCapacity: Int { 256 }
  /// Words of the system family's own: `SystemSlot`.
  static var systemScratch: Int { 512 }
  /// The undefined as the profile has it: a word for each of `UndefinedFlags`, 0 where it is the reference, otherwise
  /// the rule's, bit 63, and from bit 32 on one for each flag that is undefined; then
  /// `UndefinedProfile.traits`, `UndefinedProfile.LongDoubleShift`, and whether RCPPS and RSQRTPS look at fewer bits.
  static var undefinedRules: Int { 640 }
  static var undefinedTraits: Int { 672 }
  static var longDoubleShift: Int { 673 }
  static var approximatesCoarsely: Int { 674 }
  /// The status flags before the REP CMPS or REP SCAS under way.
  static var repeatFlags: Int { 675 }
  /// RIP behind the last instruction whose result no profile imitates, by `UndefinedDoubt.About.index`; 0 for none.
  static var doubts: Int { 704 }
  static var tlbEntries: Int { 1024 }
  static var fetchTLB: Int { tlbEntries + 4 * TLB.wordsPerContext }
  static var count: Int { fetchTLB + 2 * FetchTLB.wordsPerContext }
}

/// Numbers of segment registers, as instructions encode them.
enum SegmentNumber {
  static var es: Int { 0 }
  static var cs: Int { 1 }
  static var ss: Int { 2 }
  static var ds: Int { 3 }
  static var fs: Int { 4 }
  static var gs: Int { 5 }
}

/// Numbers of general registers.
enum GPR {
  static var rax: Int { 0 }
  static var rcx: Int { 1 }
  static var rdx: Int { 2 }
  static var rbx: Int { 3 }
  static var rsp: Int { 4 }
  static var rbp: Int { 5 }
  static var rsi: Int { 6 }
  static var rdi: Int { 7 }
}
