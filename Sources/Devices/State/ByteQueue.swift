/// Bytes in the order in which they came, taken from the front in constant time.
struct ByteQueue: StatePart {
  private var bytes: [UInt8] = []
  private var head = 0

  var count: Int { bytes.count - head }
  var isEmpty: Bool { head == bytes.count }

  mutating func append(contentsOf more: some Sequence<UInt8>) {
    bytes.append(contentsOf: more)
  }

  /// Puts bytes back that were taken.
  mutating func putBack(_ taken: [UInt8]) {
    guard !taken.isEmpty else { return }
    bytes.replaceSubrange(0..<head, with: taken)
    head = 0
  }

  mutating func popFirst() -> UInt8? {
    guard head < bytes.count else { return nil }
    let byte = bytes[head]
    head += 1
    if head >= 4096, head * 2 >= bytes.count {
      bytes.removeFirst(head)
      head = 0
    }
    return byte
  }

  static func == (a: ByteQueue, b: ByteQueue) -> Bool { a.bytes[a.head...].elementsEqual(b.bytes[b.head...]) }

  mutating func code(with coder: inout StateCoder) {
    var rest = Array(bytes[head...])
    coder.code(&rest, limit: .max)
    (bytes, head) = (rest, 0)
  }
}
