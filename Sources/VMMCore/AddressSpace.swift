/// An address space as the CPU knows it: the tables at the top of its page tables. Processes differ in it.
public struct AddressSpace: Hashable, Sendable, CustomStringConvertible {
  /// The guest-physical address of the tables: CR3 without PCID, cache bits and bit 63, which asks for no flush (Intel
  /// SDM vol. 3, 2.5 and 5.10).
  public let root: UInt64

  /// - Parameters:
  ///   - cr3: as MOV from CR3 reads it, or as MOV to CR3 takes it.
  ///   - isNarrowPAE: PAE paging outside long mode, whose tables at the top have 32 bytes.
  public init(cr3: UInt64, isNarrowPAE: Bool = false) {
    root = cr3 & (isNarrowPAE ? 0xffff_ffe0 : 0x000f_ffff_ffff_f000)
  }

  /// The one that the machine is in; `nil` without paging.
  public init?(_ state: CPUState) {
    let (isPaging, isPAE) = (state.cr0 & 1 << 31 != 0, state.cr4 & 1 << 5 != 0)
    guard isPaging else { return nil }
    self.init(cr3: state.cr3, isNarrowPAE: isPAE && state.efer & 1 << 10 == 0)
  }

  /// Where Linux with page-table isolation has the other tables of the process: those for the kernel have bit 12 clear,
  /// those for user mode have it set (arch/x86/include/asm/pgtable.h, `kernel_to_user_pgdp`).
  public var twin: AddressSpace { AddressSpace(cr3: root ^ 1 << 12) }

  /// Whether two tables at the top are a process's in kernel mode and in user mode: they lead to the same lower tables.
  ///
  /// - Parameter entries: what each has for one address of the lower half (64-bit paging).
  public static func areTwins(_ entries: (UInt64, UInt64)) -> Bool {
    let (frame, present): (UInt64, UInt64) = (0x000f_ffff_ffff_f000, 1)
    return entries.0 & entries.1 & present != 0 && entries.0 & frame == entries.1 & frame
  }

  public var description: String { hex(root) }
}
