#if canImport(Glibc)
  internal import Glibc
#endif
internal import GuestMemory
internal import VMMCore

/// Owns the state block of one vCPU, and what the block only points to.
final class CPUCore {
  let cpu: CPU
  let memory: GuestMemory
  let model: CPUModel
  let blocks: BlockCache
  private(set) lazy var footprint = FootprintTable()
  /// A debugger's breakpoints (linear addresses) and watched ranges.
  var breakpoints: Set<UInt64> = []
  /// The same ones in order.
  var breakpointList: [UInt64] = []
  let stopConditions: StopConditions
  var watches: [DebugWatch] = []
  let watchedPages = WatchedPagesTable()
  private let pageUse: UnsafeMutablePointer<UInt8>
  private let scratch: UnsafeMutablePointer<Instruction>

  init(memory: GuestMemory, model: CPUModel) {
    self.memory = memory
    self.model = model
    _ = StateLayout.check
    let block = UnsafeMutablePointer<UInt64>.allocate(capacity: Slot.count)
    block.initialize(repeating: 0, count: Slot.count)
    cpu = CPU(block)
    pageUse = zeroedMemory(memory.pageCount)
    scratch = .allocate(capacity: 1)
    scratch.initialize(to: Instruction())
    cpu[Slot.scratchOp] = UInt64(UInt(bitPattern: scratch))
    blocks = BlockCache(cpu: cpu, pageCount: memory.pageCount)
    stopConditions = StopConditions(cpu: cpu, memory: memory)
    cpu[SystemSlot.stopConditions] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(stopConditions).toOpaque()))
    describeMemory()
    cpu[SystemSlot.translatesAfter] = HostCode.isWanted ? Translator.threshold : 0
    cpu[SystemSlot.watchedPages] = UInt64(UInt(bitPattern: watchedPages.words))
    cpu[Slot.core] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    cpu[Slot.reservedAddressBits] = physicalAddressReserved(model)
    cpu[Slot.pagingFeatures] = model.lookup(leaf: 0x8000_0001, subleaf: 0).edx & 1 << 26 != 0 ? 1 : 0
    cpu[Slot.mxcsrMask] = 0xffff | (model.has(.misalignsse) ? MXCSR.misaligned : 0)
    cpu[SystemSlot.hostMXCSR] = MXCSR.initial
    cpu.adopt(model.undefined)
    cpu.stopsChanged()
    cpu.clearEmptyContext()
    cpu.flushTLB()
    cpu.load(CPUState())
    memory.observeWrites { [weak self] page in self?.noteExternalWrite(page) }
  }

  /// A device or a debugger wrote to a page.
  private func noteExternalWrite(_ page: Int) {
    if cpu.pageUse[page] != 0 { cpu.noteStore(page: page, offset: 0, count: pageSize) }
  }

  deinit {
    cpu.s.deallocate()
    free(pageUse)
    scratch.deallocate()
  }

  private func describeMemory() {
    // Guest memory has at most two regions: below and above the hole for devices.
    precondition(memory.regions.count <= 2)
    cpu[Slot.regionCount] = UInt64(memory.regions.count)
    for (number, region) in memory.regions.enumerated() {
      cpu[Slot.regions + 4 * number] = region.start.rawValue
      cpu[Slot.regions + 4 * number + 1] = UInt64(region.size)
      cpu[Slot.regions + 4 * number + 2] = UInt64(UInt(bitPattern: region.host))
      cpu[Slot.regions + 4 * number + 3] = UInt64(region.firstPageIndex)
    }
    cpu[Slot.dirtyBitmap] = UInt64(UInt(bitPattern: memory.dirty.baseAddress))
    cpu[Slot.pageUse] = UInt64(UInt(bitPattern: pageUse))
  }
}

extension CPU {
  /// The owner of the block: CPUID's model and the guest memory. Not for hot paths.
  var core: CPUCore {
    Unmanaged<CPUCore>.fromOpaque(UnsafeRawPointer(bitPattern: UInt(s[Slot.core]))!).takeUnretainedValue()
  }
}

extension CPU {
  /// The decoded code, for hot paths: it lives as long as the block does, so references are not counted.
  @inline(__always) func withBlocks<T>(_ body: (BlockCache) -> T) -> T {
    let address = UnsafeRawPointer(bitPattern: UInt(s[SystemSlot.blocks])).unsafelyUnwrapped
    return Unmanaged<BlockCache>.fromOpaque(address)._withUnsafeGuaranteedRef(body)
  }
}

/// The bits of a page-table entry's address field above the width that CPUID leaf 0x80000008 gives (40 without it).
private func physicalAddressReserved(_ model: CPUModel) -> UInt64 {
  let leaf = UInt64(model.lookup(leaf: 0x8000_0008, subleaf: 0).eax & 0xff)
  let width = leaf >= 32 && leaf <= 52 ? leaf : 40
  return 0x000f_ffff_ffff_ffff & ~((1 << width) - 1)
}
