internal import VMMCore

/// A plain ELF64 executable that starts in long mode.
///
/// Segments go to their physical addresses. The state at the entry point:
///
/// * 64-bit mode, CPL 0, interrupts off, an empty IDT, no task, x87 and SSE as after RESET;
/// * the first GiB mapped one to one, writable, by 2 MiB pages;
/// * flat segments: CS 0x10, all others 0x18;
/// * RSP at the top of a stack of at least 64 KiB (0x90000);
/// * RDI: the size of RAM in bytes; RSI: the address of the NUL-terminated command line;
/// * RDX and RCX: the address and the size in bytes of the initrd, 0 and 0 without one; it begins at the first page
///   after the image;
/// * all other general registers 0.
///
/// An entry point that lies in a segment's virtual, but in no segment's physical range is taken to the physical one.
struct ELF64Loader {
  static func load(_ elf: ELFFile, _ request: GuestLoader.Request) throws(LoaderError) -> GuestLoader.Parts {
    var assembly = Assembly(name: request.kernel.name, memorySize: request.memorySize)
    assembly.placements += FirstState.pageTablePlacements
    try assembly.place(segments: elf)
    var state = FirstState.longMode(entry: try entry(of: elf, name: request.kernel.name))
    state.rsp = BootLayout.stackTop
    state.rdi = request.memorySize
    state.rsi = try assembly.place(commandLine: request.commandLine)
    if let initrd = request.initrd {
      let address = try moduleAddress(after: elf.physicalEnd, initrd, assembly)
      assembly.place(initrd: initrd, at: address)
      state.rdx = address
      state.rcx = UInt64(initrd.bytes.count)
    }
    return GuestLoader.Parts(placements: assembly.placements, state: state, kind: .elf64)
  }

  private static func entry(of elf: ELFFile, name: String) throws(LoaderError) -> UInt64 {
    let entry = elf.entry
    var address: UInt64?
    for segment in elf.segments where address == nil {
      if entry >= segment.physical, entry - segment.physical < segment.memorySize { address = entry }
    }
    for segment in elf.segments where address == nil {
      if entry >= segment.virtual, entry - segment.virtual < segment.memorySize {
        address = segment.physical + (entry - segment.virtual)
      }
    }
    guard let address else { throw LoaderError(name, "the entry point \(hex(entry)) is outside all ELF segments") }
    guard address < BootLayout.identityMapped else {
      throw LoaderError(name, "the entry point \(hex(address)) is above the first GiB, which is all that is mapped")
    }
    return address
  }

  /// The first page after the image and at or above 1 MiB where `module` fits.
  static func moduleAddress(
    after end: UInt64, _ module: GuestImage, _ assembly: Assembly
  ) throws(LoaderError) -> UInt64 {
    guard let address = alignUp(max(end, BootLayout.oneMiB), to: UInt64(pageSize)) else {
      throw LoaderError(assembly.name, "the image leaves no room for \(module.name)")
    }
    try assembly.requireMemory(upTo: address &+ UInt64(module.bytes.count), for: "the image with \(module.name)")
    return address
  }
}
