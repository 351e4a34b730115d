internal import Testing
internal import VMMCore

@testable internal import Loaders

/// Whatever a file holds, the loader returns a machine whose placements lie in RAM and in its images, or one line.
@Suite struct HostileFileTests {
  static let seeds: [[UInt8]] = [
    Images.elf64(
      entry: 0x20_0000, [.init(address: 0x20_0000, bytes: [0xf4, 0xf4]), .init(address: 0x30_0000, bytes: [1])]),
    Images.elf64(entry: 0x100_0000, [.init(address: 0x100_0000, bytes: [0xf4]), Images.note(owner: "Linux")]),
    Images.elf32(entry: 0x10_000c, address: 0x10_0000, bytes: Images.multibootHeader() + [0xf4]),
    Images.multibootHeader(addresses: [0x10_0000, 0x10_0000, 0, 0x10_1000, 0x10_0020]) + [0xf4],
    Images.bzImage(kernel: 0x220),
  ]

  private func check(_ file: [UInt8]) -> Bool {
    do throws(LoaderError) {
      let initrd = Images.initrd([1, 2, 3])
      let guest = try GuestLoader.load(kernel: Images.kernel(file), initrd: initrd, memorySize: 32 * mebibyte)
      return guest.machine.placements.allSatisfy { isInside($0, guest.machine) }
    } catch {
      return error.description.count < 200 && !error.description.contains("\n")
        && (error.description.hasPrefix("guest: ") || error.description.hasPrefix("initrd: "))
    }
  }

  private func isInside(_ placement: Placement, _ machine: InitialMachine) -> Bool {
    let count: Int
    switch placement.source {
    case .bytes(let bytes): count = bytes.count
    case .image(let index, let offset, let size):
      guard machine.images.indices.contains(index), offset >= 0, size >= 0 else { return false }
      guard offset + size <= machine.images[index].bytes.count else { return false }
      count = size
    }
    return placement.address.rawValue <= machine.memorySize
      && UInt64(count) <= machine.memorySize - placement.address.rawValue
  }

  @Test(arguments: seeds.indices) func everyTruncation(seed: Int) {
    let file = HostileFileTests.seeds[seed]
    for length in 0..<file.count { #expect(check(Array(file.prefix(length))), "length \(length)") }
  }

  @Test(arguments: seeds.indices) func everyByteChanged(seed: Int) {
    let file = HostileFileTests.seeds[seed]
    for index in 0..<min(file.count, 0x270) {
      for value in [0, 1, 0x7f, 0x80, 0xff, file[index] &+ 1, file[index] ^ 0x40] as [UInt8] {
        var changed = file
        changed[index] = value
        #expect(check(changed), "byte \(index) = \(value)")
      }
    }
  }

  /// A seeded generator: equal runs everywhere.
  private struct Generator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  @Test(arguments: seeds.indices) func manyFieldsChanged(seed: Int) {
    let file = HostileFileTests.seeds[seed]
    var random = Generator(state: 0x1234_5678 &+ UInt64(seed))
    let interesting: [UInt8] = [0, 1, 0x7f, 0x80, 0xfe, 0xff]
    for round in 0..<2000 {
      var changed = file
      for _ in 0..<(1 + random.next() % 12) {
        let index = Int(random.next() % UInt64(file.count))
        let value = random.next()
        changed[index] = value & 1 == 0 ? interesting[Int((value >> 8) % 6)] : UInt8(truncatingIfNeeded: value >> 8)
      }
      #expect(check(changed), "seed \(seed) round \(round)")
    }
  }

  @Test func namesFilesThatAreNoGuests() {
    let accepted = "a Linux bzImage or vmlinux, an ELF64 executable or a multiboot 1 image"
    let cases: [([UInt8], String)] = [
      ([], "guest: the file is empty"),
      ([0x7f], "guest: not a guest: it is not \(accepted)"),
      (Array("#!/bin/sh\necho\n".utf8), "guest: not a guest: it is not \(accepted)"),
      ([0x1f, 0x8b, 8, 0], "guest: compressed with gzip: unpack it first, a guest is \(accepted)"),
      ([0x7f, 0x45, 0x4c, 0x46, 2], "guest: truncated in the ELF header (5 bytes)"),
    ]
    for (file, expected) in cases {
      let text = message { () throws(LoaderError) in
        try GuestLoader.load(kernel: Images.kernel(file), memorySize: 16 * mebibyte)
      }
      #expect(text == expected)
    }
  }

  @Test(arguments: [0, 4096, 0xf_f000, 0x10_0001] as [UInt64]) func refusesBadMemorySizes(size: UInt64) {
    let text = message { () throws(LoaderError) in
      try GuestLoader.load(kernel: Images.kernel(HostileFileTests.seeds[0]), memorySize: size)
    }
    #expect(text == "guest: memory of \(size) bytes: give a multiple of 4 KiB from 1 MiB up")
  }

  /// Many headers that name the same bytes of the file must not multiply the work.
  @Test func refusesManySegments() {
    let many = (0..<65).map { Images.Segment(address: 0x20_0000 + UInt64($0) * 0x1000, bytes: [0xf4]) }
    let text = message { () throws(LoaderError) in
      try GuestLoader.load(kernel: Images.kernel(Images.elf64(entry: 0x20_0000, many)), memorySize: 16 * mebibyte)
    }
    #expect(text == "guest: the ELF file has more than 64 segments to load")
  }

  @Test func passesExtrasOn() throws {
    let table = Placement(address: GuestPhysicalAddress(0xf_0000), source: .bytes([1]))
    let symbols = GuestImage(role: .symbols, name: "symbols", bytes: [2])
    let machine = try GuestLoader.load(
      kernel: Images.kernel(HostileFileTests.seeds[0]), initrd: Images.initrd([3]), memorySize: 16 * mebibyte,
      extraImages: [symbols], extraPlacements: [table]
    ).machine
    #expect(machine.images.map(\.role) == [.kernel, .initrd, .symbols])
    #expect(machine.placements.last == table)
  }
}
