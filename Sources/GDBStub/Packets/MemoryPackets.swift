internal import VMMCore

extension Session {
  /// What fits one reply.
  static var maximumRead: Int { PacketParser.maximumPayload / 2 }

  /// Reads by virtual or, in that mode, by physical address: the readable prefix, never more than asked for.
  func memory(at address: UInt64, count: Int) -> [UInt8] {
    if usesPhysicalMemory { return target.readPhysicalMemory(at: GuestPhysicalAddress(address), count: count) }
    if let space = sleeping?.space { return target.readMemory(at: address, count: count, in: space) }
    return target.readMemory(at: address, count: count)
  }

  /// `m ADDRESS,LENGTH`: may answer with less than asked for, but not with nothing.
  func readMemory(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let address = try reader.number()
    try reader.expect(",")
    let count = Int(min(try reader.number(), UInt64(Session.maximumRead)))
    try reader.expectEnd()
    let bytes = count == 0 ? [] : memory(at: address, count: count).prefix(count)
    guard count == 0 || !bytes.isEmpty else { throw .noMemory }
    return .hex(Array(bytes))
  }

  /// `M ADDRESS,LENGTH:HEX`
  func writeMemoryHex(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let (address, count) = try takeRange(&reader)
    let bytes = try reader.hexBytes(count: count)
    try reader.expectEnd()
    return try write(bytes, at: address)
  }

  /// `X ADDRESS,LENGTH:BINARY`
  func writeMemoryBinary(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let (address, count) = try takeRange(&reader)
    let bytes = try reader.binary()
    guard bytes.count == count else { throw .malformed }
    return try write(bytes, at: address)
  }

  private func takeRange(_ reader: inout PacketReader) throws(PacketError) -> (address: UInt64, count: Int) {
    let address = try reader.number()
    try reader.expect(",")
    let count = try reader.length(limit: PacketParser.maximumPayload)
    try reader.expect(":")
    return (address, count)
  }

  /// Writing nothing succeeds: that is how a client asks whether `X` is known.
  private func write(_ bytes: [UInt8], at address: UInt64) throws(PacketError) -> Reply {
    guard !bytes.isEmpty else { return .ok }
    do throws(TargetError) {
      if sleeping != nil { throw .sleeping }
      if usesPhysicalMemory {
        try target.writePhysicalMemory(bytes, at: GuestPhysicalAddress(address))
      } else {
        try target.writeMemory(bytes, at: address)
      }
      return .ok
    } catch {
      onRefusedWrite(error.description)
      throw PacketError(error)
    }
  }

  /// `Qqemu.PhyMemMode:0|1`, as with QEMU.
  func setPhysicalMode(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    let mode = try reader.number()
    try reader.expectEnd()
    guard mode <= 1 else { throw .malformed }
    usesPhysicalMemory = mode == 1
    return .ok
  }

  /// `qqemu.PhyMemMode`
  func physicalMode(_ reader: inout PacketReader) throws(PacketError) -> Reply {
    .text(usesPhysicalMemory ? "1" : "0")
  }
}
