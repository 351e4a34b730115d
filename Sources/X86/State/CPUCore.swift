internal import GuestMemory
internal import VMMCore

/// Owns the state block of one vCPU, and what the block only points to.
final class CPUCore {
  let cpu: CPU
  let code: GuestCode
  let model: CPUModel
  let jumps: JumpCache
  var memory: GuestMemory { code.memory }
  private(set) lazy var footprint = FootprintTable()
  /// A debugger's breakpoints (linear addresses) and watched ranges.
  var breakpoints: Set<UInt64> = []
  /// The same ones in order.
  var breakpointList: [UInt64] = []
  let stopConditions: StopConditions
  var watches: [DebugWatch] = []
  let watchedPages = WatchedPagesTable()
  private let scratch: UnsafeMutablePointer<Instruction>

  init(code: GuestCode, model: CPUModel) {
    self.code = code
    self.model = model
    _ = StateLayout.check
    let block = UnsafeMutablePointer<UInt64>.allocate(capacity: Slot.count)
    block.initialize(repeating: 0, count: Slot.count)
    cpu = CPU(block)
    scratch = .allocate(capacity: 1)
    scratch.initialize(to: Instruction())
    cpu[Slot.scratchOp] = UInt64(UInt(bitPattern: scratch))
    jumps = JumpCache(cpu: cpu)
    stopConditions = StopConditions(cpu: cpu, memory: code.memory)
    code.add(cpu, jumps)
    cpu[SystemSlot.stopConditions] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(stopConditions).toOpaque()))
    describeMemory()
    cpu[SystemSlot.watchedPages] = UInt64(UInt(bitPattern: watchedPages.words))
    cpu[Slot.core] = UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    cpu[Slot.reservedAddressBits] = physicalAddressReserved(model)
    cpu[Slot.pagingFeatures] = model.lookup(leaf: 0x8000_0001, subleaf: 0).edx & 1 << 26 != 0 ? 1 : 0
    cpu[Slot.mxcsrMask] = 0xffff | (model.has(.misalignsse) ? MXCSR.misaligned : 0)
    cpu[SystemSlot.hostMXCSR] = MXCSR.initial
    cpu[SystemSlot.hostX87Control] = X87Control.initial
    cpu.adopt(model.undefined)
    cpu.stopsChanged()
    cpu.clearTLB()
    cpu.flushTLB()
    cpu.load(CPUState(), keepingBlocks: true)
  }

  /// A vCPU that shares its code with no other.
  convenience init(memory: GuestMemory, model: CPUModel) {
    self.init(code: GuestCode(memory: memory, profile: model.undefined), model: model)
  }

  deinit {
    code.remove(cpu)
    cpu.s.deallocate()
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
  }
}

extension CPU {
  /// The owner of the block: CPUID's model and the guest memory. Not for hot paths.
  var core: CPUCore {
    Unmanaged<CPUCore>.fromOpaque(UnsafeRawPointer(bitPattern: UInt(s[Slot.core]))!).takeUnretainedValue()
  }
}

extension CPU {
  // For hot paths: both live as long as the block does, so references are not counted.
  @inline(__always) func withCode<T>(_ body: (GuestCode) -> T) -> T {
    let address = UnsafeRawPointer(bitPattern: UInt(s[SystemSlot.guestCode])).unsafelyUnwrapped
    return Unmanaged<GuestCode>.fromOpaque(address)._withUnsafeGuaranteedRef(body)
  }

  @inline(__always) func withCore<T>(_ body: (CPUCore) -> T) -> T {
    let address = UnsafeRawPointer(bitPattern: UInt(s[Slot.core])).unsafelyUnwrapped
    return Unmanaged<CPUCore>.fromOpaque(address)._withUnsafeGuaranteedRef(body)
  }
}

/// The bits of a page-table entry's address field above the width that CPUID leaf 0x80000008 gives (40 without it).
private func physicalAddressReserved(_ model: CPUModel) -> UInt64 {
  let leaf = UInt64(model.lookup(leaf: 0x8000_0008, subleaf: 0).eax & 0xff)
  let width = leaf >= 32 && leaf <= 52 ? leaf : 40
  return 0x000f_ffff_ffff_ffff & ~((1 << width) - 1)
}
