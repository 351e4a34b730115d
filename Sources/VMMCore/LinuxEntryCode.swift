/// Where a 64-bit Linux kernel has the assembly that it is entered and left by, of which its debug information says
/// nothing. Linear addresses; what the kernel does not have is empty.
public struct LinuxEntryCode: Sendable {
  /// Code that runs on what an interrupt, an exception or a system call has pushed.
  public var entries: [Range<UInt64>] = []
  /// The code of system calls: the first instructions, before everything is pushed that an interrupt would push, and
  /// those that end in SYSRET.
  public var systemCalls: [Range<UInt64>] = []
  /// The addresses behind the calls in both.
  public var returns: [UInt64] = []
  /// Code that nobody has called: where the kernel, and where a thread of its own begins.
  public var begins: [Range<UInt64>] = []
  /// The switch from one task's stack to another's, and the bytes of its code.
  public var taskSwitch: (code: Range<UInt64>, bytes: [UInt8])?
  /// Where functions look at the CPU's features until the kernel has put the answers in (`.altinstr_aux`,
  /// arch/x86/include/asm/cpufeature.h): TESTB, JNE back to where the function goes on, and JMP.
  public var checks: Range<UInt64>?
  /// Addresses behind the calls of C functions that go on to an interrupt stack for them, and what the compiler says of
  /// the frame there (DW_CFA instructions).
  public var stackSwitches: [(address: UInt64, instructions: [UInt8])] = []

  public init() {}

  /// All of it but the stack switches.
  public var described: [Range<UInt64>] {
    entries + systemCalls + begins + [taskSwitch?.code, checks].compactMap(\.self)
  }
}
