internal import VMMCore

func hexText(_ value: UInt64) -> String { hex(value) }

/// A guest under construction: its images by number, its placements, and checks on what goes where.
struct Assembly {
  static let kernelIndex = 0
  static let initrdIndex = 1

  let name: String
  let map: MemoryMap
  var placements: [Placement] = []

  init(name: String, memorySize: UInt64) {
    self.name = name
    map = MemoryMap(memorySize: memorySize)
    placements.append(FirstState.gdtPlacement)
  }

  /// Places a range of the kernel's file.
  mutating func place(kernel range: Range<Int>, at address: UInt64) {
    guard !range.isEmpty else { return }
    let source = Placement.Source.image(index: Assembly.kernelIndex, offset: range.lowerBound, count: range.count)
    placements.append(Placement(address: GuestPhysicalAddress(address), source: source))
  }

  mutating func place(_ bytes: [UInt8], at address: UInt64) {
    placements.append(Placement(address: GuestPhysicalAddress(address), source: .bytes(bytes)))
  }

  /// Places all of the initrd at `address`; an empty one is nowhere.
  mutating func place(initrd: GuestImage, at address: UInt64) {
    guard !initrd.bytes.isEmpty else { return }
    let source = Placement.Source.image(index: Assembly.initrdIndex, offset: 0, count: initrd.bytes.count)
    placements.append(Placement(address: GuestPhysicalAddress(address), source: source))
  }

  /// Places the segments of an ELF file, all of which must lie in RAM and clear of the loader's own structures. One
  /// that holds nothing but ELF headers is left out when it does not.
  mutating func place(segments elf: ELFFile) throws(LoaderError) {
    for segment in elf.segments {
      if segment.holdsOnlyHeaders, segment.physical < BootLayout.oneMiB, elf.segments.count > 1 { continue }
      try checkImage(segment.physical, size: segment.memorySize)
      place(kernel: segment.file, at: segment.physical)
    }
  }

  /// Places the command line, NUL-terminated, and returns its address.
  mutating func place(commandLine: String, limit: UInt64 = .max) throws(LoaderError) -> UInt64 {
    let bytes = Array(commandLine.utf8)
    let capacity = min(BootLayout.commandLineCapacity - 1, limit)
    guard UInt64(bytes.count) <= capacity else {
      throw LoaderError(name, "the command line has \(bytes.count) bytes, this guest takes at most \(capacity)")
    }
    guard !bytes.contains(0) else { throw LoaderError(name, "the command line holds a NUL character") }
    place(bytes + [0], at: BootLayout.commandLine)
    return BootLayout.commandLine
  }

  /// The image's range must be RAM that nothing else uses.
  func checkImage(_ start: UInt64, size: UInt64) throws(LoaderError) {
    let (end, overflow) = start.addingReportingOverflow(size)
    guard !overflow else { throw LoaderError(name, "the image wraps around the end of the address space") }
    let low = BootLayout.freeLowMemory
    guard start >= BootLayout.oneMiB || (start >= low.lowerBound && end <= low.upperBound) else {
      throw LoaderError(
        name,
        "wants to be loaded at \(hex(start)): below 1 MiB only \(hex(low.lowerBound)) to \(hex(low.upperBound)) is free"
      )
    }
    try requireMemory(upTo: end)
  }

  /// RAM below the device hole must reach up to `end`.
  func requireMemory(upTo end: UInt64, for what: String = "") throws(LoaderError) {
    guard end > map.lowEnd else { return }
    let reason = what.isEmpty ? "" : " for \(what)"
    guard end <= MemoryMap(memorySize: .max).lowEnd else {
      throw LoaderError(name, "needs memory up to \(hex(end))\(reason), beyond the 3 GiB below the devices")
    }
    throw LoaderError(
      name, "memory of \(mebibytes(map.lowEnd)) is too small: \(mebibytes(end)) needed\(reason)")
  }
}
