internal import VMMCore

/// What an image chunk says about the pieces that follow it.
struct ImageRecord: Equatable, Sendable {
  var role: GuestImage.Role
  var name: String
  /// Bytes in all pieces.
  var size: UInt64
  /// `Digest.of` the bytes.
  var digest: UInt64

  init(_ image: GuestImage) {
    role = image.role
    name = image.name
    size = UInt64(image.bytes.count)
    digest = Digest.of(image.bytes)
  }

  func encoded() -> [UInt8] {
    var out = ByteWriter()
    out.append(role.rawValue)
    out.append(text: name)
    out.append64(size)
    out.append64(digest)
    return out.bytes
  }

  init(decoding bytes: [UInt8]) throws(DecodingError) {
    var input = ByteReader(bytes)
    let code = try input.byte()
    guard let role = GuestImage.Role(rawValue: code) else { throw input.fail("unknown image role \(code)") }
    self.role = role
    name = try input.text()
    size = try input.read64()
    guard size <= TraceFormat.maximumImageBytes else { throw input.fail("an image of \(size) bytes") }
    digest = try input.read64()
    guard input.isAtEnd else { throw input.fail("more than an image's record") }
  }
}

/// Placements in the payload of a placements chunk.
enum PlacementCoding {
  private static let fromImage: UInt8 = 0
  private static let inPlace: UInt8 = 1

  static func append(_ placement: Placement, to out: inout ByteWriter) {
    switch placement.source {
    case .image(let index, let offset, let count):
      out.append(fromImage)
      out.append(varint: placement.address.rawValue)
      out.append(varint: UInt64(index))
      out.append(varint: UInt64(offset))
      out.append(varint: UInt64(count))
    case .bytes(let bytes):
      out.append(inPlace)
      out.append(varint: placement.address.rawValue)
      out.append(counted: bytes)
    }
  }

  /// Reads a payload; `sizes` are those of the images in bytes.
  static func decode(_ payload: [UInt8], sizes: [UInt64]) throws(DecodingError) -> [Placement] {
    var input = ByteReader(payload)
    var placements: [Placement] = []
    while !input.isAtEnd {
      let kind = try input.byte()
      let address = GuestPhysicalAddress(try input.varint())
      switch kind {
      case fromImage:
        let index = Int(truncatingIfNeeded: try input.varint())
        let offset = try input.varint()
        let count = try input.varint()
        guard sizes.indices.contains(index), count <= sizes[index], offset <= sizes[index] - count else {
          throw input.fail("a placement beyond its image")
        }
        placements.append(
          Placement(address: address, source: .image(index: index, offset: Int(offset), count: Int(count))))
      case inPlace:
        let bytes = try input.counted(upTo: TraceFormat.maximumRawSize, "a placement")
        placements.append(Placement(address: address, source: .bytes([UInt8](bytes))))
      default:
        throw input.fail("unknown placement \(kind)")
      }
    }
    return placements
  }
}

extension Placement {
  /// It lies in guest RAM of so many bytes.
  func fits(memorySize: UInt64) -> Bool {
    let (hole, above): (UInt64, UInt64) = (3 << 30, 4 << 30)
    let start = address.rawValue
    if start < hole { return start < memorySize && count <= min(memorySize, hole) - start }
    return start >= above && memorySize > hole && start - above < memorySize - hole
      && count <= memorySize - hole - (start - above)
  }

  /// Bytes of memory that it fills.
  var count: UInt64 {
    switch source {
    case .image(_, _, let count): UInt64(truncatingIfNeeded: count)
    case .bytes(let bytes): UInt64(bytes.count)
    }
  }
}

extension InitialMachine {
  /// Why the format cannot hold the machine; `nil` when it can.
  var flaw: String? {
    if !TraceFormat.memorySizes.contains(memorySize) || memorySize % UInt64(pageSize) != 0 {
      return "a memory size of \(memorySize) bytes"
    }
    if images.count > TraceFormat.maximumImages { return "\(images.count) images" }
    if images.reduce(UInt64(0), { $0 + UInt64($1.bytes.count) }) > TraceFormat.maximumImageBytes {
      return "more than \(TraceFormat.maximumImageBytes >> 20) MiB of images"
    }
    if images.contains(where: { $0.name.utf8.count > TraceFormat.maximumText }) { return "an image's name" }
    return placementFlaw
  }

  private var placementFlaw: String? {
    if placements.count > TraceFormat.maximumPlacements { return "\(placements.count) placements" }
    var placed: UInt64 = 0
    for placement in placements {
      switch placement.source {
      case .image(let index, let offset, let count):
        guard images.indices.contains(index), offset >= 0, count >= 0, count <= images[index].bytes.count,
          offset <= images[index].bytes.count - count
        else { return "a placement beyond its image" }
      case .bytes(let bytes):
        if bytes.count > TraceFormat.imagePieceSize { return "a placement of \(bytes.count) bytes that is no image" }
      }
      placed += placement.count
    }
    return placed > TraceFormat.maximumPlacedBytes ? "placements of \(placed) bytes" : nil
  }
}
