internal import VMMCore

/// Where a Linux keeps its tasks, as the client's symbols say (`monitor linux`): so the stub can say which process the
/// machine is in, and find the address space of another one.
struct LinuxTasks {
  /// A process.
  struct Task: Equatable, CustomStringConvertible {
    var address: UInt64
    var pid: UInt64
    /// What the process is called, as the guest has it: any bytes.
    var name: [UInt8]

    var description: String {
      let text = name.map { (0x20...0x7e).contains($0) ? Character(UnicodeScalar($0)) : "?" }
      return "\(pid) (\(String(text)))"
    }
  }

  /// What the client tells, all of it: linear addresses, and offsets in `task_struct`, or `mm_struct` for `pgd`.
  enum Field: String, CaseIterable {
    /// The pointer to the current task, and where its CPU's offset stands if it is a variable of each CPU's, or 0.
    case current, percpu
    case initial, tasks, pid, comm, mm, pgd
    /// The kernel's own tables at the top, the begin of its image, and where the image's physical base stands, or 0.
    case tables, image, base
    /// Where all of physical memory is mapped, or where that stands in memory (0).
    case map, mapped
  }

  private let values: [Field: UInt64]
  private let target: any DebugTarget

  private static let nameLength = 16
  /// More than Linux has: a list that is not in order goes on for ever.
  private static let maximumCount = 1 << 22

  /// - Parameter words: `FIELD=ADDRESS`, in hexadecimal; `nil` when one is missing or is none.
  init?(_ words: [String], in target: any DebugTarget) {
    var values: [Field: UInt64] = [:]
    for word in words {
      let parts = word.split(separator: "=")
      guard parts.count == 2, let field = Field(rawValue: String(parts[0])),
        let value = UInt64(parts[1].hasPrefix("0x") ? parts[1].dropFirst(2) : parts[1], radix: 16)
      else { return nil }
      values[field] = value
    }
    guard values.count == Field.allCases.count else { return nil }
    self.values = values
    self.target = target
  }

  private subscript(_ field: Field) -> UInt64 { values[field] ?? 0 }

  /// The task that runs.
  var current: Task? {
    var pointer = self[.current]
    if self[.percpu] != 0 {
      guard let offset = word(at: self[.percpu]) else { return nil }
      pointer &+= offset
    }
    return word(at: pointer).flatMap { task(at: $0) }
  }

  /// The address space of a process; `nil` when there is none of that number, or it is the kernel's own.
  func space(ofProcess pid: UInt64) -> AddressSpace? {
    guard let task = first(where: { $0.pid == pid }), let mm = word(at: task.address &+ self[.mm]), mm != 0,
      let tables = word(at: mm &+ self[.pgd])
    else { return nil }
    let map = self[.map] != 0 ? self[.map] : word(at: self[.mapped]) ?? 0
    return AddressSpace(cr3: tables &- map)
  }

  private func first(where isWanted: (Task) -> Bool) -> Task? {
    let start = self[.initial] &+ self[.tasks]
    var link = start
    for _ in 0..<LinuxTasks.maximumCount {
      guard let next = word(at: link), next != start, let task = task(at: next &- self[.tasks]) else { return nil }
      if isWanted(task) { return task }
      link = next
    }
    return nil
  }

  private func task(at address: UInt64) -> Task? {
    guard let pid = read(address &+ self[.pid], count: 4),
      let name = read(address &+ self[.comm], count: LinuxTasks.nameLength)
    else { return nil }
    return Task(address: address, pid: littleEndian(pid), name: Array(name.prefix { $0 != 0 }))
  }

  private func word(at address: UInt64) -> UInt64? { read(address, count: 8).map { littleEndian($0) } }

  private func littleEndian(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

  /// Memory of the kernel, through its own tables: a process's may have no more than the entry code.
  private func read(_ address: UInt64, count: Int) -> [UInt8]? {
    let base = self[.base] == 0 ? [] : target.readMemory(at: self[.base], count: 8)
    let tables = AddressSpace(cr3: self[.tables] &- self[.image] &+ (base.count == 8 ? littleEndian(base) : 0))
    let bytes = target.readMemory(at: address, count: count, in: tables)
    return bytes.count == count ? bytes : nil
  }
}
