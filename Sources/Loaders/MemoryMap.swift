internal import GuestMemory

/// The guest's physical memory as its firmware would describe it, the e820 map.
struct MemoryMap {
  enum Kind: UInt32 {
    case usable = 1
    case reserved = 2
  }
  struct Entry: Equatable {
    var start: UInt64
    var size: UInt64
    var kind: Kind
  }

  let entries: [Entry]
  /// Where RAM below the device hole ends.
  let lowEnd: UInt64

  init(memorySize: UInt64) {
    lowEnd = min(memorySize, GuestMemory.holeStart)
    var entries = [
      Entry(start: 0, size: BootLayout.lowMemoryEnd, kind: .usable),
      Entry(start: BootLayout.lowMemoryEnd, size: 0xa_0000 - BootLayout.lowMemoryEnd, kind: .reserved),
      Entry(start: 0xe_0000, size: 0x2_0000, kind: .reserved),
    ]
    if lowEnd > BootLayout.oneMiB {
      entries.append(Entry(start: BootLayout.oneMiB, size: lowEnd - BootLayout.oneMiB, kind: .usable))
    }
    if memorySize > GuestMemory.holeStart {
      entries.append(Entry(start: 1 << 32, size: memorySize - GuestMemory.holeStart, kind: .usable))
    }
    self.entries = entries
  }
}
