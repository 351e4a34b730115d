#if canImport(Glibc)
  internal import Glibc
#endif
public import VMMCore

/// One contiguous range of guest RAM.
@safe
public struct MemoryRegion {
  /// The first guest-physical address, a multiple of the page size.
  public let start: GuestPhysicalAddress
  /// Bytes, a multiple of the page size.
  public let size: Int
  /// Where the region begins in this process; valid as long as the `GuestMemory` lives.
  public let host: UnsafeMutableRawPointer
  /// The index of the region's first page in the dirty set and among the page digests.
  public let firstPageIndex: Int

  public var end: GuestPhysicalAddress { start + UInt64(size) }
  public var pageCount: Int { size / pageSize }
}

/// The guest's RAM: anonymous mappings at guest-physical addresses, with a set of pages written since they were last
/// looked at. Owns the mappings; every access through it is bounds-checked. Not thread-safe.
@safe
public final class GuestMemory {
  public let regions: [MemoryRegion]
  private let mappings: [Mapping]
  /// All pages of all regions.
  public let pageCount: Int
  /// One bit for each page index, 64 in a word: written since it was last cleared. `pageCount` rounded up to 64 bits.
  public var dirty: UnsafeMutableBufferPointer<UInt64> { unsafe dirtyWords.words }
  private let dirtyWords: ZeroedWords
  private var writeObservers: [(_ page: Int) -> Void] = []

  /// Where RAM stops below the hole for devices, and goes on at 4 GiB: 3 GiB.
  public static let holeStart: UInt64 = 0xc000_0000

  /// Maps `size` bytes (a multiple of the page size, at least 1 MiB) from guest-physical 0, leaving out
  /// 3 GiB ..< 4 GiB.
  public convenience init(size: UInt64) throws(GuestMemoryError) {
    guard size >= 1 << 20, size % UInt64(pageSize) == 0, size <= 1 << 40 else {
      throw GuestMemoryError("memory of \(size) bytes: give a multiple of 4 KiB from 1 MiB to 1 TiB")
    }
    var ranges = [(GuestPhysicalAddress(0), Int(min(size, GuestMemory.holeStart)))]
    if size > GuestMemory.holeStart {
      ranges.append((GuestPhysicalAddress(1 << 32), Int(size - GuestMemory.holeStart)))
    }
    try self.init(ranges: ranges)
  }

  init(ranges: [(GuestPhysicalAddress, Int)]) throws(GuestMemoryError) {
    var made: [MemoryRegion] = []
    var mapped: [Mapping] = []
    var pages = 0
    for (start, size) in ranges {
      guard let mapping = Mapping(size: size) else {
        for mapping in mapped { mapping.unmap() }
        throw GuestMemoryError("cannot map \(size >> 20) MiB of guest memory: use a smaller --memory")
      }
      mapped.append(mapping)
      made.append(unsafe MemoryRegion(start: start, size: size, host: mapping.host, firstPageIndex: pages))
      pages += size / pageSize
    }
    regions = made
    mappings = mapped
    pageCount = pages
    dirtyWords = ZeroedWords(count: (pages + 63) / 64)
  }

  deinit {
    for mapping in mappings { mapping.unmap() }
  }

  /// Bytes of RAM in all.
  public var size: UInt64 { UInt64(pageCount) * UInt64(pageSize) }

  /// The region that holds all of `count` bytes at `address`.
  public func region(holding address: GuestPhysicalAddress, count: Int = 1) -> MemoryRegion? {
    for region in regions where address >= region.start {
      let offset = address.rawValue - region.start.rawValue
      if offset < UInt64(region.size), count >= 0, UInt64(count) <= UInt64(region.size) - offset { return region }
    }
    return nil
  }

  /// The page index of an address in RAM.
  public func pageIndex(of address: GuestPhysicalAddress) -> Int? {
    region(holding: address).map { $0.firstPageIndex + Int(address.rawValue - $0.start.rawValue) / pageSize }
  }

  /// The guest-physical address of a page index (which is below `pageCount`).
  public func address(ofPage index: Int) -> GuestPhysicalAddress {
    let region = regions.last { $0.firstPageIndex <= index }!
    return region.start + UInt64((index - region.firstPageIndex) * pageSize)
  }

  /// The host address of a page (index below `pageCount`).
  public func host(ofPage index: Int) -> UnsafeMutableRawPointer {
    precondition(index >= 0 && index < pageCount, "page index out of range")
    let region = regions.last { $0.firstPageIndex <= index }!
    return unsafe region.host + (index - region.firstPageIndex) * pageSize
  }
}

// Access from outside the CPU: loaders, device writes, debuggers.
extension GuestMemory {
  /// Copies bytes in and marks the pages dirty. False, and nothing written, when they are not all in one region.
  @discardableResult
  public func write(_ bytes: [UInt8], at address: GuestPhysicalAddress) -> Bool {
    guard let region = region(holding: address, count: bytes.count) else { return false }
    guard !bytes.isEmpty else { return true }
    let offset = Int(address.rawValue - region.start.rawValue)
    unsafe bytes.withUnsafeBytes {
      unsafe (region.host + offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
    for page in (offset / pageSize)...((offset + bytes.count - 1) / pageSize) {
      markDirty(region.firstPageIndex + page)
      for observe in writeObservers { observe(region.firstPageIndex + page) }
    }
    return true
  }

  /// A copy of `count` bytes, `nil` when they are not all in one region.
  public func read(_ address: GuestPhysicalAddress, count: Int) -> [UInt8]? {
    guard let region = region(holding: address, count: count) else { return nil }
    let offset = Int(address.rawValue - region.start.rawValue)
    return unsafe [UInt8](UnsafeRawBufferPointer(start: region.host + offset, count: count))
  }

  /// A little-endian integer.
  public func load<T: FixedWidthInteger>(_ address: GuestPhysicalAddress, as type: T.Type) -> T? {
    guard let region = region(holding: address, count: MemoryLayout<T>.size) else { return nil }
    let offset = Int(address.rawValue - region.start.rawValue)
    return unsafe T(littleEndian: region.host.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// The word at its address has its value.
  public func holds(_ word: MemoryWord) -> Bool { load(word.address, as: UInt64.self) == word.value }

  /// Stores a little-endian integer and marks its pages dirty.
  @discardableResult
  public func store<T: FixedWidthInteger>(_ value: T, at address: GuestPhysicalAddress) -> Bool {
    write(unsafe withUnsafeBytes(of: value.littleEndian) { unsafe [UInt8]($0) }, at: address)
  }

  /// Puts a byte in the place of another one, for the time that the guest runs: nobody is told, and the page is not
  /// dirty. Returns the other one; `nil`, and nothing done, where no memory is.
  public func exchange(_ byte: UInt8, at address: GuestPhysicalAddress) -> UInt8? {
    guard let region = region(holding: address, count: 1) else { return nil }
    let place = unsafe region.host + Int(address.rawValue - region.start.rawValue)
    let old = unsafe place.load(as: UInt8.self)
    unsafe place.storeBytes(of: byte, as: UInt8.self)
    return old
  }

  /// `observe` is called with the page index after each write from outside the CPU: an engine that keeps decoded code
  /// or translations forgets what it made of the page.
  public func observeWrites(_ observe: @escaping (_ page: Int) -> Void) { writeObservers.append(observe) }

  /// Adds a page (index below `pageCount`) to the dirty set.
  public func markDirty(_ index: Int) {
    precondition(index >= 0 && index < pageCount, "page index out of range")
    unsafe dirty[index >> 6] |= 1 << UInt64(index & 63)
  }

  /// The dirty set, in ascending order.
  public var dirtyPages: [Int] { unsafe dirty.bitNumbers }

  /// Empties the dirty set and returns what it held, in ascending order.
  public func takeDirtyPages() -> [Int] {
    let pages = dirtyPages
    // Only words that hold something: a write would make room for the others.
    for page in pages { unsafe dirty[page >> 6] = 0 }
    return pages
  }

  /// Adds pages that were taken from the dirty set to it again, and returns what it held meanwhile, in ascending
  /// order: so what is written between the two calls is known, and not lost for those who look later.
  public func putBackDirtyPages(_ earlier: [Int]) -> [Int] {
    defer { for page in earlier { markDirty(page) } }
    return dirtyPages
  }
}

/// Guest memory could not be had.
public struct GuestMemoryError: Error, Equatable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}
