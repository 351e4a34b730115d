/// What a client sent, taken out of its byte stream.
enum ClientEvent: Equatable {
  /// A packet, without its frame and still escaped; the checksum was right (or is not looked at).
  case packet([UInt8])
  /// A packet whose checksum is wrong.
  case damaged
  /// A packet longer than `PacketParser.maximumPayload`.
  case oversized
  /// `+`
  case acknowledged
  /// `-`
  case rejected
  /// Byte 0x03 outside a packet.
  case interrupt
}

/// Takes packets out of a byte stream, however it is cut. Its memory is bounded, whatever arrives.
struct PacketParser {
  /// Bytes between `$` and `#`: what `PacketSize` in the answer to `qSupported` promises.
  static let maximumPayload = 0x10_0000

  /// Cleared by QStartNoAckMode: the stream is reliable then.
  var verifiesChecksums = true

  private enum State {
    case idle
    case payload
    /// Past the bound: skipping to the end of the packet.
    case overflow
    case checksumHigh
    case checksumLow(high: UInt8?)
  }
  private var state = State.idle
  private var payload: [UInt8] = []
  private var isOversized = false

  /// Takes one byte in; returns the event that it completes.
  mutating func take(_ byte: UInt8) -> ClientEvent? {
    switch state {
    case .idle: return idle(byte)
    case .payload, .overflow:
      inPacket(byte)
      return nil
    case .checksumHigh:
      state = .checksumLow(high: hexDigit(byte))
      return nil
    case .checksumLow(let high):
      state = .idle
      return finish(high: high, low: hexDigit(byte))
    }
  }

  private mutating func idle(_ byte: UInt8) -> ClientEvent? {
    switch byte {
    case UInt8(ascii: "$"):
      begin()
      return nil
    case UInt8(ascii: "+"): return .acknowledged
    case UInt8(ascii: "-"): return .rejected
    case 0x03: return .interrupt
    default: return nil
    }
  }

  private mutating func begin() {
    payload.removeAll(keepingCapacity: payload.capacity <= 65536)
    isOversized = false
    state = .payload
  }

  private mutating func inPacket(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "#"): state = .checksumHigh
    // An unescaped `$` can only be a new packet after one that was cut off.
    case UInt8(ascii: "$"): begin()
    default:
      if case .overflow = state { return }
      guard payload.count < PacketParser.maximumPayload else {
        payload = []
        isOversized = true
        state = .overflow
        return
      }
      payload.append(byte)
    }
  }

  private mutating func finish(high: UInt8?, low: UInt8?) -> ClientEvent {
    if isOversized { return .oversized }
    if verifiesChecksums {
      guard let high, let low, high << 4 | low == packetChecksum(payload) else { return .damaged }
    }
    return .packet(payload)
  }
}

/// The sum of the payload's bytes as they travel, modulo 256.
func packetChecksum(_ payload: some Sequence<UInt8>) -> UInt8 {
  payload.reduce(0) { $0 &+ $1 }
}
