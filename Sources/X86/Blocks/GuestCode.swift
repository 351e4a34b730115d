#if canImport(Glibc)
  internal import Glibc
#endif
public import GuestMemory
public import VMMCore

/// What is known of a guest memory by all vCPUs on it: the code that was decoded from it (blocks by physical address),
/// the host code made of that, and for each page whether code or a cached translation came from it (`PageUse`). Of one
/// vCPU are the ways that it knows to blocks (`JumpCache`), its cached translations (`TLB`) and its state block.
///
/// The vCPUs run one at a time, all on one thread: nothing here is locked. Between two runs none holds on to a block.
public final class GuestCode {
  /// What of a vCPU hears of changes.
  struct Member {
    let cpu: CPU
    let jumps: JumpCache
  }

  public let memory: GuestMemory
  /// What the vCPUs do where the manuals leave it open: blocks have it built in.
  let profile: UndefinedProfile
  let keptFlags: KeptFlags
  let pageUse: UnsafeMutablePointer<UInt8>
  private(set) var members: [Member] = []
  /// The vCPU that enters blocks: `notes` are of what it has entered.
  private var running: CPU?

  var store: BlockStore
  let index: BlockIndex
  let pages: PageBlocks
  var notes = EntryNotes()
  /// Of some blocks RIP is not the linear address.
  var hasSegmentedCode = false
  /// Counts the times that everything was dropped: pointers to blocks and operations do not outlive it.
  private(set) var generation = 0
  /// The block that `find` returned last depends on a second page.
  var lastCrossesPages = false
  var translator: Translator?
  /// Counts what is translated, where somebody wants to know.
  var meter: TranslationMeter?
  /// `Translator.interpreted`.
  var interpreted: UInt64 = 0

  /// Of memory with at most two regions.
  public init(memory: GuestMemory, profile: UndefinedProfile) {
    self.memory = memory
    self.profile = profile
    keptFlags = KeptFlags(profile)
    pageUse = zeroedMemory(memory.pageCount)
    store = BlockStore()
    index = BlockIndex(of: store)
    pages = PageBlocks(of: store, pageCount: memory.pageCount)
    memory.observeWrites { [weak self] page in self?.noteExternalWrite(page) }
  }

  deinit { free(pageUse) }

  /// Forgets all blocks.
  func flush() {
    guard store.count > 0 else { return }
    noteEntered()
    for number in 0..<store.count {
      let block = store.blocks[number]
      pages.clear(pagesOf: block)
      for page in [block.pageNumber, block.secondPageNumber] where page >= 0 { pageUse[Int(page)] &= ~PageUse.code }
    }
    store.clear()
    generation += 1
    translator?.flush()
    index.clear()
    hasSegmentedCode = false
    for member in members { member.jumps.clear() }
  }
}

// The vCPUs.
extension GuestCode {
  /// A vCPU is there from now on, until `remove`.
  func add(_ cpu: CPU, _ jumps: JumpCache) {
    members.append(Member(cpu: cpu, jumps: jumps))
    cpu[SystemSlot.guestCode] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    cpu[Slot.pageUse] = UInt64(UInt(bitPattern: pageUse))
    cpu[SystemSlot.translatedEntry] = translator?.entry ?? 0
    cpu[SystemSlot.familyEntry] = Translator.familyEntry
    cpu[SystemSlot.translatesAfter] = HostCode.isWanted ? Translator.threshold : 0
  }

  func remove(_ cpu: CPU) {
    members.removeAll { $0.cpu.s == cpu.s }
    if running?.s == cpu.s { running = nil }
  }

  /// The vCPU is the one that enters blocks from now on.
  func begin(_ cpu: CPU) {
    if running?.s == cpu.s { return }
    noteEntered()
    if notes.areTakenByCode { notes.clear(store.count) }
    running = cpu
  }

  /// Runs of some vCPU stop before the instruction at this linear address.
  func isStop(_ linear: UInt64) -> Bool { members.contains { $0.cpu.isStop(linear) } }
}

// Notes for footprints.
extension GuestCode {
  /// A footprint of this vCPU begins: from now on it is known which blocks are entered.
  func beginNotes(_ cpu: CPU) {
    if !notes.areTakenByCode {
      notes.areTakenByCode = true
      flushTranslations(cpu)
    }
    begin(cpu)
    notes.clear(store.count)
  }

  /// Adds the blocks that have been entered to the footprint that is being taken. Of one in a code segment with a base
  /// RIP is not the linear address; but then a footprint is everything (`CPU.noteCodeBase`).
  func noteEntered() {
    guard notes.areTakenByCode, let running, running[SystemSlot.footprint] != 0 else { return }
    let blocks = store.blocks
    notes.take(store.count) { running.noteCode(blocks[$0].rip, Int(blocks[$0].length)) }
  }
}
