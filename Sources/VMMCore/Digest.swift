/// A 64-bit digest of a sequence of words, for finding differences, not for security. The value is part of the trace
/// format (see Trace/FORMAT.md): it may not change within a format version.
public struct Digest: Equatable, Hashable, Sendable {
  public private(set) var value: UInt64

  @inlinable public init() { self.init(raw: 0x243f_6a88_85a3_08d3) }
  @inlinable public init(raw: UInt64) { self.init(_value: raw) }
  @usableFromInline init(_value: UInt64) { value = _value }

  /// Folds one 64-bit word in. Order matters.
  public mutating func fold(_ word: UInt64) {
    value = Digest.mix(value ^ 0x9e37_79b9_7f4a_7c15, word ^ 0xbf58_476d_1ce4_e5b9) &+ word.byteSwapped
  }

  /// Folds bytes in, little-endian words first, the rest as one zero-padded word, then the length.
  public mutating func fold(bytes: UnsafeRawBufferPointer) {
    let words = bytes.count / 8
    for index in 0..<words {
      fold(unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
    }
    var rest: UInt64 = 0
    for index in (words * 8)..<bytes.count {
      rest |= UInt64(unsafe bytes[index]) << UInt64(8 * (index - words * 8))
    }
    fold(rest)
    fold(UInt64(bytes.count))
  }

  /// The digest of a byte array.
  public static func of(_ bytes: [UInt8]) -> UInt64 {
    var digest = Digest()
    unsafe bytes.withUnsafeBytes { unsafe digest.fold(bytes: $0) }
    return digest.value
  }

  /// The digest of one 4 KiB page at page number `page`. Digests of pages are added to form the digest of a memory,
  /// so that one changed page costs one page's work. Four independent lanes keep the multipliers busy.
  public static func ofPage(_ bytes: UnsafeRawPointer, page: UInt64) -> UInt64 {
    var a: UInt64 = 0x243f_6a88_85a3_08d3
    var b: UInt64 = 0x1319_8a2e_0370_7344
    var c: UInt64 = 0xa409_3822_299f_31d0
    var d: UInt64 = 0x082e_fa98_ec4e_6c89
    var offset = 0
    while offset < pageSize {
      let w0 = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let w1 = unsafe bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
      let w2 = unsafe bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)
      let w3 = unsafe bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self)
      a = mix(a ^ w0, 0x9e37_79b9_7f4a_7c15) ^ w0
      b = mix(b ^ w1, 0xbf58_476d_1ce4_e5b9) ^ w1
      c = mix(c ^ w2, 0x94d0_49bb_1331_11eb) ^ w2
      d = mix(d ^ w3, 0xd6e8_feb8_6659_fd93) ^ w3
      offset += 32
    }
    var digest = Digest(raw: page)
    digest.fold(a)
    digest.fold(b)
    digest.fold(c)
    digest.fold(d)
    return digest.value
  }

  /// Both halves of the 128-bit product, combined.
  @inline(__always) static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}
