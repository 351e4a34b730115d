internal import VMMCore

/// What gdb gets for a Linux that is in the guest's memory, and in no file that the user has: its symbols, and call
/// frame information for its entry code and, from its own tables, for all of its other code.
struct KernelFile {
  /// An ELF file for gdb's `add-symbol-file`.
  let bytes: [UInt8]
  /// What was found, for the user.
  let summary: String

  /// Why there is nothing to be had.
  struct Failure: Error { var reason: String }

  /// - Parameter isAlone: gdb has no symbols of the kernel, and knows no other code in the kernel's half: frames end
  ///   where the kernel knows nothing of them. Otherwise the file has frames only.
  init(in memory: KernelMemory, isAlone: Bool) throws(Failure) {
    guard !memory.isEmpty else {
      throw Failure(
        reason: "nothing is mapped where a 64-bit Linux has its image: it is not there yet, or this is another kernel")
    }
    guard let symbols = Kallsyms.symbols(in: memory) else {
      throw Failure(
        reason: "there are no symbols where a 64-bit Linux has its image: it is not there yet, was built without "
          + "CONFIG_KALLSYMS, or is older than 4.6 or newer than 6.12")
    }
    let image = KernelImage(memory, symbols)
    var code = LinuxEntryCode(image)
    var descriptions: [CallFrames.Description] = []
    var frames = "stack frames by the frame pointer"
    if let table = image.orc {
      code.taskSwitch = nil
      descriptions = ORCFrames(table, kernel: image, excluded: code.described).descriptions
      if isAlone { descriptions += KernelFile.around(table) }
      frames = "stack frames by its ORC tables (\(table.rules.count) rules)"
    } else if image.hasFramePointers {
      code.stackSwitches = image.stackSwitches
      let calls = code.stackSwitches.map { $0.address - 1..<$0.address + 1 }
      descriptions = image.framePointers(excluding: code.described + calls)
    } else {
      frames = "no stack frames: it has no frame pointers, and its ORC tables have no names"
    }
    descriptions += EntryFrames(code).descriptions
    bytes = SymbolFile(frames: CallFrames(descriptions), symbols: isAlone ? symbols : KernelSymbols()).bytes
    let place = image.text.map { " at \(hex($0))" } ?? ""
    summary = "\(symbols.symbols.count) symbols of the kernel\(place), \(frames)"
  }

  /// Modules and generated code, whose frames gdb would guess.
  private static func around(_ table: ORCTable) -> [CallFrames.Description] {
    guard let first = table.rules.first?.address, let last = table.rules.last?.address else { return [] }
    let half: UInt64 = 0xffff_8000_0000_0000
    return [half..<max(half, first), last..<max(last, 0xffff_ffff_ffff_ffff)].filter { !$0.isEmpty }
      .map { .init(code: $0, instructions: EntryFrames.nobody) }
  }
}
