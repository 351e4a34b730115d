internal import Trace

/// The last few events of a replay, for the report of a divergence.
struct EventHistory {
  private var ring: [(ordinal: UInt64, event: TraceEvent)] = []
  private var next = 0
  private let capacity = 10

  mutating func append(_ event: TraceEvent, ordinal: UInt64) {
    if ring.count < capacity {
      ring.append((ordinal, event))
    } else {
      ring[next] = (ordinal, event)
    }
    next = (next + 1) % capacity
  }

  var last: TraceEvent? { ring.isEmpty ? nil : ring[(next + capacity - 1) % capacity].event }

  /// Oldest first.
  var lines: [String] {
    let ordered = ring.count < capacity ? ring : Array(ring[next...] + ring[..<next])
    return ordered.map { "\($0.ordinal): \($0.event)" }
  }
}
