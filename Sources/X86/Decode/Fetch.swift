extension CPU {
  /// Decodes the instruction at RIP; raises what fetching or decoding it raises, and returns false.
  func fetch(into op: inout Instruction) -> Bool {
    let linear = codeLinear(rip)
    guard isInCodeSegment(rip), let physical = fetchAddress(linear) else { return false }
    let inSegment = codeBytesInSegment(rip)
    let inPage = 0x1000 - Int(physical & 0xfff)
    guard let (host, _) = ram(physical) else {
      return raiseProtection()
    }
    let bytes = UnsafePointer(pointer(host &+ physical & 0xfff).assumingMemoryBound(to: UInt8.self))
    var decoder = Decoder(bytes: bytes, available: min(inPage, inSegment), codeSize: codeSize, rip: rip)
    let result = decoder.decode(into: &op)
    if result == .truncated && inPage < min(15, inSegment) {
      return fetchAcross(bytes, inPage, min(15, inSegment), linear, &op)
    }
    return finish(result, op)
  }

  /// The instruction goes on in the next page.
  private func fetchAcross(
    _ bytes: UnsafePointer<UInt8>, _ inPage: Int, _ wanted: Int, _ linear: UInt64, _ op: inout Instruction
  ) -> Bool {
    guard let second = fetchAddress(nextLinear(linear & ~0xfff, 0x1000)) else { return false }
    guard let (host, _) = ram(second) else { return raiseProtection() }
    let rest = pointer(host).assumingMemoryBound(to: UInt8.self)
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { buffer in
      for index in 0..<wanted { buffer[index] = index < inPage ? bytes[index] : rest[index - inPage] }
      var decoder = Decoder(
        bytes: UnsafePointer(buffer.baseAddress!), available: wanted, codeSize: codeSize, rip: rip)
      return finish(decoder.decode(into: &op), op)
    }
  }

  /// Real and virtual-8086 mode have no VEX (Intel SDM vol. 2, 2.3.2; AMD APM vol. 3, 1.2.6).
  func isOffered(_ op: Instruction) -> Bool { !op.isVEX || s[Slot.mode] & Mode.protected != 0 }

  private func finish(_ result: DecodeResult, _ op: Instruction) -> Bool {
    switch result {
    case .decoded: isOffered(op) || raiseUndefined()
    case .undefined: raiseUndefined()
    case .truncated, .tooLong: raiseProtection()
    }
  }

  /// Whether the code segment goes as far as the offset; raises #GP where it does not, whatever is mapped there.
  @inline(__always)
  func isInCodeSegment(_ offset: UInt64) -> Bool { offset <= codeLimit || raiseProtection() }

  /// How many bytes from an offset on the code segment holds, at most 15.
  func codeBytesInSegment(_ offset: UInt64) -> Int {
    if s[Slot.mode] & Mode.wholeCodeSegment != 0 { return 15 }
    return offset > codeLimit ? 0 : Int(min(15, codeLimit - offset + 1))
  }
}
