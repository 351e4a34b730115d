internal import Testing
internal import VMMCore

@testable internal import Loaders

@Suite struct MultibootTests {
  private let code: [UInt8] = [0xf4, 0xeb, 0xfd]

  private func load(
    _ file: [UInt8], initrd: GuestImage? = nil, line: String = ""
  ) throws(LoaderError) -> LoadedGuest {
    try GuestLoader.load(kernel: Images.kernel(file), initrd: initrd, commandLine: line, memorySize: 16 * mebibyte)
  }

  @Test func entersProtectedMode() throws {
    let guest = try load(Images.elf32(entry: 0x10_000c, address: 0x10_0000, bytes: Images.multibootHeader() + code))
    let state = guest.machine.state
    #expect(guest.kind == .multiboot)
    #expect(state.rip == 0x10_000c && state.rax == 0x2bad_b002)
    #expect(state.cr0 & 1 == 1 && state.cr0 & 1 << 31 == 0 && state.efer == 0 && state.rflags == 2)
    #expect(state.cs.isDefault32 && !state.cs.isLong && state.cs.limit == .max && state.ds.limit == .max)
    #expect(guest.machine.memory(0x10_000c, 3) == code)
  }

  @Test func takesELF64() throws {
    let file = Images.elf64(
      entry: 0x10_000c, [.init(address: 0x10_0000, bytes: Images.multibootHeader() + code)])
    let guest = try load(file)
    #expect(guest.kind == .multiboot && guest.machine.state.rip == 0x10_000c)
  }

  @Test func takesAddressesFromTheHeader() throws {
    // The header at byte 8 of the file, loaded from byte 4 to 44, with bss up to 0x102000.
    let header = Images.multibootHeader(addresses: [0x10_0004, 0x10_0000, 0x10_0028, 0x10_2000, 0x10_0024])
    let file = [UInt8](0..<8) + header + [0xf4, 0xf4, 0xf4, 0xf4] + [0xee, 0xee]
    let guest = try load(file)
    #expect(guest.machine.state.rip == 0x10_0024)
    #expect(guest.machine.memory(0x10_0000, 0x2a) == Array(file[4..<44]) + [0, 0])
    let whole = Images.multibootHeader(addresses: [0x10_0000, 0x10_0000, 0, 0, 0x10_0020])
    #expect(try load(whole + code).machine.memory(0x10_0020, 4) == code + [0])
  }

  /// As `ld -Ttext=0x100000` makes them: a page below 1 MiB holds the file's headers.
  @Test func leavesOutTheHeadersBelowOneMiB() throws {
    let file = Images.elf64(
      entry: 0x10_000c,
      [.init(address: 0xf_f000, bytes: []), .init(address: 0x10_0000, bytes: Images.multibootHeader() + code)])
    var headers = file
    for (offset, value) in [(8, 0), (32, 176), (40, 176)] as [(Int, UInt64)] { headers.put(value, at: 64 + offset) }
    let machine = try load(headers).machine
    #expect(machine.memory(0x10_000c, 3) == code)
    #expect(machine.memory(0xf_f000, 4) == [0, 0, 0, 0])
    headers.put(UInt64(177), at: 64 + 40)
    #expect(
      message { () throws(LoaderError) in try load(headers) }
        == "guest: wants to be loaded at 0xff000: below 1 MiB only 0x30000 to 0x80000 is free")
  }

  @Test func describesTheMachine() throws {
    let file = Images.elf32(entry: 0x10_000c, address: 0x10_0000, bytes: Images.multibootHeader() + code)
    let machine = try load(file, initrd: Images.initrd([4, 5, 6]), line: "one two").machine
    let information = machine.state.rbx
    let field = { (offset: UInt64) in machine.word(information + offset, as: UInt32.self) }
    #expect(field(0) == 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9)
    #expect(field(4) == 639 && field(8) == 15 * 1024)
    #expect(machine.string(UInt64(field(16))) == "guest one two")
    #expect(machine.string(UInt64(field(64))) == "chronovisor")
    #expect(field(20) == 1)
    let module = UInt64(field(24))
    let start: UInt32 = machine.word(module)
    #expect(start == 0x10_1000 && machine.word(module + 4) == start + 3)
    #expect(machine.memory(UInt64(start), 3) == [4, 5, 6])
    #expect(machine.string(UInt64(machine.word(module + 8, as: UInt32.self))) == "initrd")
    var entry = UInt64(field(48))
    let end = entry + UInt64(field(44))
    var usable: UInt64 = 0
    while entry < end {
      if machine.word(entry + 20) == UInt32(1) { usable += machine.word(entry + 12, as: UInt64.self) }
      entry += UInt64(machine.word(entry, as: UInt32.self)) + 4
    }
    #expect(entry == end && usable == 15 * mebibyte + 0x9_fc00)
  }

  @Test func saysWhatIsWrong() {
    let flags = Images.elf32(entry: 0x10_0000, address: 0x10_0000, bytes: Images.multibootHeader(flags: 1 << 7) + code)
    #expect(
      message { () throws(LoaderError) in try load(flags) }
        == "guest: the multiboot header requires features that are unknown (flags 0x80)")
    #expect(
      message { () throws(LoaderError) in try load(Images.multibootHeader() + code) }
        == "guest: the multiboot header gives no addresses, and the file is not an ELF file")
    let beyond = Images.multibootHeader(addresses: [0x10_0000, 0x10_0000, 0x20_0000, 0, 0x10_0020])
    #expect(
      message { () throws(LoaderError) in try load(beyond) }
        == "guest: truncated: the multiboot load range lies beyond the end of the file")
    let outside = Images.multibootHeader(addresses: [0x10_0000, 0x10_0000, 0, 0, 0x10_0020])
    #expect(
      message { () throws(LoaderError) in try load(outside) }
        == "guest: the entry point 0x100020 is outside the multiboot image")
  }
}
