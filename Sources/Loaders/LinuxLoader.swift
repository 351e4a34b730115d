internal import VMMCore

/// Linux by its 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): long mode with the
/// first GiB mapped one to one, __BOOT_CS 0x10 and __BOOT_DS 0x18, interrupts off, RSI pointing to boot_params. The
/// initrd lies as high as the kernel can reach it.
struct LinuxLoader {
  /// A vmlinux has no setup header: the kernels that it is made from take at most this (COMMAND_LINE_SIZE - 1).
  private static let vmlinuxCommandLineLimit: UInt64 = 2047
  /// And an initrd up to here.
  private static let vmlinuxInitrdMaximum: UInt64 = 0x7fff_ffff

  static func load(bzImage image: BzImage, _ request: GuestLoader.Request) throws(LoaderError) -> GuestLoader.Parts {
    var assembly = Assembly(name: request.kernel.name, memorySize: request.memorySize)
    try assembly.checkImage(image.loadAddress, size: image.initSize)
    assembly.place(kernel: image.kernel, at: image.loadAddress)
    let plan = Plan(
      parameters: BootParameters(setupHeader: Array(request.kernel.bytes[image.setupHeader])),
      kernelEnd: image.loadAddress + image.initSize, initrdMaximum: image.initrdMaximum,
      commandLineLimit: image.commandLineLimit, entry: image.loadAddress + 0x200, kind: .bzImage)
    return try finish(plan, request, &assembly)
  }

  static func load(vmlinux elf: ELFFile, _ request: GuestLoader.Request) throws(LoaderError) -> GuestLoader.Parts {
    var assembly = Assembly(name: request.kernel.name, memorySize: request.memorySize)
    try assembly.place(segments: elf)
    guard elf.segments.contains(where: { elf.entry >= $0.physical && elf.entry < $0.physicalEnd }) else {
      throw LoaderError(request.kernel.name, "the entry point \(hex(elf.entry)) is outside all ELF segments")
    }
    let plan = Plan(
      parameters: BootParameters(setupHeader: nil), kernelEnd: elf.physicalEnd, initrdMaximum: vmlinuxInitrdMaximum,
      commandLineLimit: vmlinuxCommandLineLimit, entry: elf.entry, kind: .vmlinux)
    return try finish(plan, request, &assembly)
  }

  /// What the two forms of a kernel differ in.
  private struct Plan {
    var parameters: BootParameters
    var kernelEnd: UInt64
    var initrdMaximum: UInt64
    var commandLineLimit: UInt64
    var entry: UInt64
    var kind: GuestKind
  }

  private static func finish(
    _ plan: Plan, _ request: GuestLoader.Request, _ assembly: inout Assembly
  ) throws(LoaderError) -> GuestLoader.Parts {
    guard plan.entry < BootLayout.identityMapped else {
      throw LoaderError(assembly.name, "the entry point \(hex(plan.entry)) is above the first GiB, all that is mapped")
    }
    assembly.placements += FirstState.pageTablePlacements
    var parameters = plan.parameters
    parameters.set(memory: assembly.map)
    if let firmware = request.firmware { parameters.set(rootPointer: firmware.rootPointer.rawValue) }
    parameters.set(
      commandLine: try assembly.place(commandLine: request.commandLine, limit: plan.commandLineLimit))
    if let initrd = request.initrd, !initrd.bytes.isEmpty {
      let address = try initrdAddress(initrd, plan, assembly)
      parameters.set(initrd: address, size: initrd.bytes.count)
      assembly.place(initrd: initrd, at: address)
    }
    assembly.place(parameters.bytes, at: BootLayout.bootParameters)
    var state = FirstState.longMode(entry: plan.entry)
    state.rsi = BootLayout.bootParameters
    return GuestLoader.Parts(placements: assembly.placements, state: state, kind: plan.kind)
  }

  /// The highest page from which the initrd fits below the kernel's limit and the end of RAM.
  private static func initrdAddress(
    _ initrd: GuestImage, _ plan: Plan, _ assembly: Assembly
  ) throws(LoaderError) -> UInt64 {
    let size = UInt64(initrd.bytes.count)
    let needed = (alignUp(plan.kernelEnd, to: UInt64(pageSize)) ?? plan.kernelEnd) + size
    guard needed <= plan.initrdMaximum &+ 1 else {
      let reach = "the kernel reaches an initrd up to \(hex(plan.initrdMaximum))"
      throw LoaderError(initrd.name, "an initrd of \(mebibytes(size)) is too large: \(reach)")
    }
    try assembly.requireMemory(upTo: needed, for: "the kernel with \(initrd.name)")
    return (min(plan.initrdMaximum &+ 1, assembly.map.lowEnd) - size) & ~UInt64(pageSize - 1)
  }
}
