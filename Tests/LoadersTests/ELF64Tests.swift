internal import Testing
internal import VMMCore

@testable internal import Loaders

@Suite struct ELF64Tests {
  private let code: [UInt8] = [0xf4, 0xeb, 0xfd]

  private func load(_ file: [UInt8], initrd: GuestImage? = nil, line: String = "") throws -> LoadedGuest {
    try GuestLoader.load(
      kernel: Images.kernel(file), initrd: initrd, commandLine: line, memorySize: 16 * mebibyte)
  }

  @Test func startsInLongMode() throws {
    let guest = try load(Images.elf64(entry: 0x20_0001, [.init(address: 0x20_0000, bytes: code)]), line: "a b")
    let state = guest.machine.state
    #expect(guest.kind == .elf64)
    #expect(state.is64Bit && state.privilegeLevel == 0)
    #expect(state.rip == 0x20_0001)
    #expect(state.rflags == 2)
    #expect(state.rsp == 0x9_0000)
    #expect(state.rdi == 16 * mebibyte)
    #expect(guest.machine.string(state.rsi) == "a b")
    #expect(state.rdx == 0 && state.rcx == 0)
    #expect(guest.machine.memory(0x20_0000, 4) == code + [0])
  }

  @Test func mapsTheFirstGiBOneToOne() throws {
    let machine = try load(Images.elf64(entry: 0x20_0000, [.init(address: 0x20_0000, bytes: code)])).machine
    for address in [0, 0x20_0000, 0x1234_5678, 0x3fff_ffff] as [UInt64] {
      #expect(try #require(walk(machine, address)) == address)
    }
    #expect(walk(machine, 0x4000_0000) == nil)
  }

  /// The page walk of the manual for 2 MiB pages (Intel SDM vol. 3, 4.5).
  private func walk(_ machine: InitialMachine, _ linear: UInt64) -> UInt64? {
    var table = machine.state.cr3
    for shift in [39, 30, 21] as [UInt64] {
      let entry: UInt64 = machine.word(table + (linear >> shift & 511) * 8)
      guard entry & 1 != 0 else { return nil }
      if entry & 0x80 != 0 { return (entry & ~0x1f_ffff) | (linear & 0x1f_ffff) }
      table = entry & ~0xfff
    }
    return nil
  }

  @Test func descriptorsMatchTheHiddenParts() throws {
    let machine = try load(Images.elf64(entry: 0x20_0000, [.init(address: 0x20_0000, bytes: code)])).machine
    for segment in [machine.state.cs, machine.state.ss, machine.state.ds] {
      #expect(segment.selector <= machine.state.gdtr.limit)
      let descriptor: UInt64 = machine.word(machine.state.gdtr.base + UInt64(segment.selector))
      #expect(UInt32(descriptor >> 40 & 0xf0ff) == segment.attributes)
      #expect(descriptor & 0xffff == 0xffff && descriptor >> 48 & 0xf == 0xf)
    }
  }

  @Test func takesAVirtualEntryPointToThePhysicalOne() throws {
    let high: UInt64 = 0xffff_ffff_8000_0000
    let segment = Images.Segment(address: 0x20_0000, bytes: code, virtual: high)
    #expect(try load(Images.elf64(entry: high + 2, [segment])).machine.state.rip == 0x20_0002)
  }

  @Test func placesFileRangesAndNotCopies() throws {
    let file = Images.elf64(
      entry: 0x20_0000,
      [.init(address: 0x20_0000, bytes: code, memorySize: 0x5000), .init(address: 0x30_0000, bytes: [9, 8])])
    let placements = try load(file).machine.placements
    let ranges = placements.filter { if case .image(0, _, _) = $0.source { true } else { false } }
    #expect(ranges.map(\.address.rawValue) == [0x20_0000, 0x30_0000])
  }

  @Test func placesTheInitrdAfterTheImage() throws {
    let file = Images.elf64(entry: 0x20_0000, [.init(address: 0x20_0000, bytes: code, memorySize: 0x1001)])
    let machine = try load(file, initrd: Images.initrd([1, 2, 3])).machine
    #expect(machine.state.rdx == 0x20_2000 && machine.state.rcx == 3)
    #expect(machine.memory(0x20_2000, 4) == [1, 2, 3, 0])
  }

  @Test func saysWhatIsWrong() {
    let text = { (file: [UInt8]) in
      message { () throws(LoaderError) in
        try GuestLoader.load(kernel: Images.kernel(file), memorySize: 16 * mebibyte)
      }
    }
    let segment = Images.Segment(address: 0x20_0000, bytes: code)
    #expect(text(Images.elf64(entry: 0x1000, [segment])) == "guest: the entry point 0x1000 is outside all ELF segments")
    #expect(
      text(Images.elf64(entry: 0x20_0000, [segment, segment]))
        == "guest: two ELF segments overlap at physical address 0x200000")
    #expect(
      text(Images.elf64(entry: 0x1000, [.init(address: 0x1000, bytes: code)]))
        == "guest: wants to be loaded at 0x1000: below 1 MiB only 0x30000 to 0x80000 is free")
    #expect(
      text(Images.elf64(entry: 0x20_0000, [.init(address: 0x20_0000, bytes: code, memorySize: 30 * mebibyte)]))
        == "guest: memory of 16 MiB is too small: 32 MiB needed")
    #expect(
      text(Images.elf64(entry: 0x20_0000, [.init(address: 0x20_0000, bytes: code, memorySize: 1 << 40)]))
        == "guest: needs memory up to 0x10000200000, beyond the 3 GiB below the devices")
    #expect(
      text(Images.elf64(entry: .max, [.init(address: .max - 2, bytes: code)]))
        == "guest: ELF segment 0 wraps around the end of the address space")
    #expect(
      text(Array(Images.elf64(entry: 0x20_0000, [segment]).dropLast(1)))
        == "guest: truncated: ELF segment 0 lies beyond the end of the file")
    #expect(
      text(Images.elf32(entry: 0x20_0000, address: 0x20_0000, bytes: code))
        == "guest: a 32-bit ELF file without a multiboot header: 32-bit guests need one")
    var object = Images.elf64(entry: 0, [segment])
    object[16] = 1
    #expect(text(object) == "guest: the ELF file is an object file that has yet to be linked, not an executable")
    object[16] = 2
    object[18] = 183
    #expect(text(object) == "guest: an ELF file for machine 183, not for x86")
  }
}
