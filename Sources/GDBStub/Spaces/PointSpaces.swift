internal import VMMCore

/// Which address spaces a client's points stop in: each keeps the one that it was set in. gdb takes its points away at
/// each stop and sets them again before each run, unless it is told to leave them there; so a point that is taken away
/// is remembered until the machine runs without it.
struct PointSpaces {
  /// What is chosen for points that are set from now on. Points in the upper half are the kernel's: in all spaces.
  enum Choice: Equatable {
    /// A process's address belongs to the process that the machine is in, all others to every space.
    case automatic
    case any
    /// The space that the machine is in when the point is set.
    case this
    case one(AddressSpace)
  }

  /// A point as packets name it.
  struct Point: Hashable {
    var type: UInt8
    var address: UInt64
    var count: UInt64
  }

  var choice = Choice.automatic
  /// What is chosen for the next point alone.
  var choiceOnce: Choice?
  private var spaces: [Point: AddressSpace?] = [:]
  /// Where points have been bound without being asked, the user is told.
  private var told: Set<AddressSpace> = []
  private(set) var untold: AddressSpace?

  /// The space that a point stops in, `nil` for all: as it was set before, or as is chosen now.
  ///
  /// - Parameters:
  ///   - here: the space that the user is in; `nil` without paging.
  ///   - view: the machine.
  mutating func space(of point: Point, here: AddressSpace?, in view: any MachineView) -> AddressSpace? {
    if let known = spaces[point] { return known }
    let choice = choiceOnce ?? choice
    choiceOnce = nil
    let space = chosen(choice, for: point.address, here, in: view)
    spaces[point] = .some(space)
    if choice == .automatic, let space, told.insert(space).inserted { untold = space }
    return space
  }

  private func chosen(
    _ choice: Choice, for address: UInt64, _ here: AddressSpace?, in view: any MachineView
  ) -> AddressSpace? {
    guard address >> 63 == 0 else { return nil }
    switch choice {
    case .automatic: return here.flatMap { view.isUserMemory(at: address, in: $0) ? $0 : nil }
    case .any: return nil
    case .this: return here
    case .one(let space): return space
    }
  }

  /// Forgets the points that are gone.
  mutating func keep(where isThere: (Point) -> Bool) { spaces = spaces.filter { isThere($0.key) } }

  var count: Int { spaces.count }

  mutating func takeUntold() -> AddressSpace? {
    defer { untold = nil }
    return untold
  }
}
