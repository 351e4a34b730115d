internal import VMMCore

/// The CPU state in which a guest starts, and the tables in memory that this state refers to.
enum FirstState {
  /// 64-bit mode at `entry`: flat segments, the first GiB mapped one to one, interrupts off, an empty IDT.
  static func longMode(entry: UInt64) -> CPUState {
    var state = flat(code: segment(BootLayout.codeSelector, attributes: 0xa09b))
    state.cr0 = ControlBits.cr0PE | ControlBits.cr0MP | ControlBits.cr0ET | ControlBits.cr0NE | ControlBits.cr0PG
    state.cr3 = BootLayout.pml4
    state.cr4 = ControlBits.cr4PAE
    state.efer = ControlBits.eferLME | ControlBits.eferLMA
    state.rip = entry
    return state
  }

  /// 32-bit protected mode without paging at `entry`: flat segments, interrupts off, an empty IDT.
  static func protectedMode(entry: UInt32) -> CPUState {
    var state = flat(code: segment(BootLayout.code32Selector, attributes: 0xc09b))
    state.cr0 = ControlBits.cr0PE | ControlBits.cr0ET
    state.rip = UInt64(entry)
    return state
  }

  private static func flat(code: Segment) -> CPUState {
    var state = CPUState()
    let data = segment(BootLayout.dataSelector, attributes: 0xc093)
    (state.cs, state.ss, state.ds, state.es, state.fs, state.gs) = (code, data, data, data, data, data)
    state.gdtr = DescriptorTable(base: BootLayout.gdt, limit: UInt16(descriptors.count * 8 - 1))
    state.idtr = DescriptorTable(base: 0, limit: 0)
    state.rflags = 2
    return state
  }

  private static func segment(_ selector: UInt16, attributes: UInt32) -> Segment {
    Segment(selector: selector, base: 0, limit: 0xffff_ffff, attributes: attributes)
  }

  /// Null, unused, 64-bit code, data, 32-bit code: all from 0 to 4 GiB, accessed, so that no load writes to the table.
  private static let descriptors: [UInt64] = [
    0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_9b00_0000_ffff,
  ]

  /// The GDT that both states refer to.
  static var gdtPlacement: Placement {
    var bytes: [UInt8] = []
    for descriptor in descriptors { bytes.append(little: descriptor) }
    return Placement(address: GuestPhysicalAddress(BootLayout.gdt), source: .bytes(bytes))
  }

  /// The page tables of `longMode`: present, writable, not yet accessed; 512 pages of 2 MiB.
  static var pageTablePlacements: [Placement] {
    let presentWritable: UInt64 = 0b11
    let large: UInt64 = 1 << 7
    var directory: [UInt8] = []
    for page in UInt64(0)..<512 { directory.append(little: page << 21 | presentWritable | large) }
    return [
      table(at: BootLayout.pml4, entry: BootLayout.pageDirectoryPointers | presentWritable),
      table(at: BootLayout.pageDirectoryPointers, entry: BootLayout.pageDirectory | presentWritable),
      Placement(address: GuestPhysicalAddress(BootLayout.pageDirectory), source: .bytes(directory)),
    ]
  }

  private static func table(at address: UInt64, entry: UInt64) -> Placement {
    var bytes: [UInt8] = []
    bytes.append(little: entry)
    return Placement(address: GuestPhysicalAddress(address), source: .bytes(bytes))
  }
}
