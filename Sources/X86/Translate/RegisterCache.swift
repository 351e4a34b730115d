/// Which of the guest's general registers lie in which of the host's, while a block is translated.
struct RegisterCache {
  /// What translated code keeps all the time.
  static var state: HostRegister { .rbx }
  /// The first entry of the translation cache's context for data.
  static var tlb: HostRegister { .r(14) }
  /// The arena of the operations.
  static var arena: HostRegister { .r(15) }
  /// For guest registers. RAX, RCX and RDX are nobody's for long.
  private static var pool: [HostRegister] {
    [.rsi, .rdi, .r(8), .r(9), .r(10), .r(11), .r(12), .r(13), .rbp]
  }

  private struct Entry {
    var host: HostRegister
    /// A guest register's number; `nil` when it is free.
    var guest: Int?
    /// The state block holds another value.
    var isDirty = false
    /// The instruction being translated uses it.
    var isPinned = false
    var lastUse = 0
  }
  private var entries = RegisterCache.pool.map { Entry(host: $0) }
  private var time = 0

  /// A guest register that is to be written back where a block is left.
  struct Dirty {
    var guest: Int
    var host: HostRegister
  }
  var dirty: [Dirty] {
    entries.compactMap { entry in entry.isDirty ? entry.guest.map { Dirty(guest: $0, host: entry.host) } : nil }
  }

  static func slot(_ number: Int) -> HostOperand { .memory(state, Int32(8 * number)) }

  mutating func beginInstruction() {
    for index in entries.indices {
      entries[index].isPinned = false
      // A temporary is one for the length of an instruction.
      if entries[index].guest == nil { entries[index].lastUse = 0 }
    }
  }

  /// The host's register that holds the guest's.
  mutating func read(_ guest: Int, _ code: inout Assembler) -> HostRegister {
    if let index = use(guest) { return entries[index].host }
    let index = take(&code)
    entries[index].guest = guest
    code.load(entries[index].host, RegisterCache.slot(guest))
    return entries[index].host
  }

  /// The same for an instruction that changes it, or a part of it. To be called behind the last place where the
  /// instruction can be left.
  mutating func update(_ guest: Int, _ code: inout Assembler) -> HostRegister {
    let host = read(guest, &code)
    markDirty(guest)
    return host
  }

  /// The same for an instruction that writes all of it.
  mutating func write(_ guest: Int, _ code: inout Assembler) -> HostRegister {
    let index = use(guest) ?? take(&code)
    entries[index].guest = guest
    entries[index].isDirty = true
    return entries[index].host
  }

  /// A register for this instruction alone.
  mutating func temporary(_ code: inout Assembler) -> HostRegister { entries[take(&code)].host }

  /// Writes everything back; what the registers hold stays known.
  mutating func flush(_ code: inout Assembler) {
    for index in entries.indices { writeBack(index, &code) }
  }

  /// What the registers hold is not known any more; all has been written back.
  mutating func forget() {
    for index in entries.indices { entries[index].guest = nil }
  }

  private mutating func markDirty(_ guest: Int) {
    if let index = entries.firstIndex(where: { $0.guest == guest }) { entries[index].isDirty = true }
  }

  private mutating func use(_ guest: Int) -> Int? {
    guard let index = entries.firstIndex(where: { $0.guest == guest }) else { return nil }
    pin(index)
    return index
  }

  private mutating func pin(_ index: Int) {
    time += 1
    entries[index].isPinned = true
    entries[index].lastUse = time
  }

  /// The register that has not been used for the longest time. No instruction pins as many as there are.
  private mutating func take(_ code: inout Assembler) -> Int {
    let free = entries.indices.filter { !entries[$0].isPinned }
    guard let index = free.min(by: { entries[$0].lastUse < entries[$1].lastUse }) else {
      preconditionFailure("an instruction uses more registers than there are")
    }
    writeBack(index, &code)
    entries[index].guest = nil
    pin(index)
    return index
  }

  private mutating func writeBack(_ index: Int, _ code: inout Assembler) {
    guard entries[index].isDirty, let guest = entries[index].guest else { return }
    code.store(entries[index].host, RegisterCache.slot(guest))
    entries[index].isDirty = false
  }
}
