internal import VMMCore

/// The places where the user stood, as a browser keeps its pages: going somewhere new forgets what `back` had left.
struct StopHistory {
  static let maximumCount = 1000

  private(set) var positions: [Position] = []
  /// Where the user is in `positions`.
  private(set) var index = 0

  /// The machine stopped somewhere on its own.
  mutating func record(_ position: Position) {
    guard positions.isEmpty || positions[index] != position else { return }
    if !positions.isEmpty { positions.removeSubrange((index + 1)...) }
    positions.append(position)
    if positions.count > StopHistory.maximumCount { positions.removeFirst() }
    index = positions.count - 1
  }

  /// The stop `count` before the current one; moves there.
  mutating func back(_ count: Int) -> Position? { move(-count) }
  /// The stop `count` after the current one, where `back` was used before; moves there.
  mutating func forward(_ count: Int) -> Position? { move(count) }

  private mutating func move(_ distance: Int) -> Position? {
    let (place, overflow) = index.addingReportingOverflow(distance)
    guard !overflow, positions.indices.contains(place) else { return nil }
    index = place
    return positions[place]
  }
}
