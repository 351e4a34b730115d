internal import Testing
internal import VMMCore

@testable internal import Loaders

@Suite struct LinuxTests {
  private let zeroPage = BootLayout.bootParameters

  private func load(
    _ file: [UInt8], initrd: GuestImage? = nil, line: String = "", memory: UInt64 = 64
  ) throws(LoaderError) -> LoadedGuest {
    try GuestLoader.load(
      kernel: Images.kernel(file), initrd: initrd, commandLine: line, memorySize: memory * mebibyte)
  }

  @Test func entersBzImageByThe64BitProtocol() throws {
    let guest = try load(Images.bzImage(), line: "console=ttyS0")
    let (machine, state) = (guest.machine, guest.machine.state)
    #expect(guest.kind == .bzImage)
    #expect(state.is64Bit && state.rip == 0x100_0200 && state.rsi == zeroPage)
    #expect(state.cs.selector == 0x10 && state.ds.selector == 0x18 && state.rflags & 1 << 9 == 0)
    // The part after the setup sectors is what runs.
    #expect(machine.memory(0x100_0000, 16) == Array(Images.bzImage()[1024..<1040]))
    #expect(machine.string(UInt64(machine.word(zeroPage + 0x228, as: UInt32.self))) == "console=ttyS0")
  }

  @Test func copiesTheSetupHeader() throws {
    let machine = try load(Images.bzImage()).machine
    #expect(machine.word(zeroPage + 0x202) == UInt32(0x5372_6448))
    #expect(machine.word(zeroPage + 0x258) == UInt64(0x100_0000))
    #expect(machine.word(zeroPage + 0x210) == UInt8(0xff))
    // What is before the header in the file is not part of it.
    #expect(machine.memory(zeroPage, 0x1e8) == [UInt8](repeating: 0, count: 0x1e8))
  }

  @Test(arguments: [64, 3072, 5000] as [UInt64])
  func describesAllOfMemory(mebibytes: UInt64) throws {
    let machine = try load(Images.bzImage(), memory: mebibytes).machine
    let count = machine.word(zeroPage + 0x1e8, as: UInt8.self)
    var usable: [Range<UInt64>] = []
    for index in 0..<UInt64(count) {
      let entry = zeroPage + 0x2d0 + index * 20
      let (start, size): (UInt64, UInt64) = (machine.word(entry), machine.word(entry + 8))
      if machine.word(entry + 16) == UInt32(1) { usable.append(start..<(start + size)) }
    }
    // All but the 385 KiB from the EBDA to 1 MiB, in ascending order, none in the devices' hole.
    #expect(usable.reduce(0) { $0 + UInt64($1.count) } == mebibytes * mebibyte - (mebibyte - 0x9_fc00))
    #expect(zip(usable, usable.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
    #expect(usable.allSatisfy { !$0.overlaps(0xc000_0000..<(1 << 32)) })
  }

  @Test func putsTheInitrdAsHighAsTheKernelReaches() throws {
    let initrd = Images.initrd([UInt8](repeating: 0x55, count: 5000))
    for (memory, end) in [(64, 64 * mebibyte), (2500, 0x8000_0000)] as [(UInt64, UInt64)] {
      let machine = try load(Images.bzImage(), initrd: initrd, memory: memory).machine
      let address = UInt64(machine.word(zeroPage + 0x218, as: UInt32.self))
      #expect(address == end - 0x2000)
      #expect(machine.word(zeroPage + 0x21c) == UInt32(5000))
      #expect(machine.memory(address, 5001) == initrd.bytes + [0])
    }
  }

  @Test func recognisesVmlinux() throws {
    let code = Images.Segment(address: 0x100_0000, bytes: [0xf4])
    let noted = Images.elf64(entry: 0x100_0000, [code, Images.note(owner: "Linux")])
    let banner = Images.Segment(address: 0x110_0000, bytes: Array("xLinux version 6.1".utf8))
    for file in [noted, Images.elf64(entry: 0x100_0000, [code, banner])] {
      let guest = try load(file, line: "quiet")
      #expect(guest.kind == .vmlinux)
      #expect(guest.machine.state.rip == 0x100_0000 && guest.machine.state.rsi == zeroPage)
      #expect(guest.machine.word(zeroPage + 0x202) == UInt32(0x5372_6448))
      #expect(guest.machine.word(zeroPage + 0x1fe) == UInt16(0xaa55))
    }
    #expect(try load(Images.elf64(entry: 0x100_0000, [code, Images.note(owner: "GNU")])).kind == .elf64)
  }

  @Test func theFirmwaresTablesAreFound() throws {
    let root = GuestPhysicalAddress(0xe_0000)
    let tables = FirmwareTables(placements: [Placement(address: root, source: .bytes([1, 2, 3]))], rootPointer: root)
    func load(_ file: [UInt8]) throws(LoaderError) -> InitialMachine {
      try GuestLoader.load(kernel: Images.kernel(file), memorySize: 64 * mebibyte, firmware: tables).machine
    }
    let kernel = try load(Images.bzImage())
    #expect(kernel.word(zeroPage + 0x70) == UInt64(0xe_0000))
    #expect(kernel.memory(0xe_0000, 4) == [1, 2, 3, 0])
    #expect(try self.load(Images.bzImage()).machine.word(zeroPage + 0x70) == UInt64(0))
    // A plain ELF64 executable does not look for them.
    let plain = Images.elf64(entry: 0x100_0000, [Images.Segment(address: 0x100_0000, bytes: [0xf4])])
    #expect(try load(plain).memory(0xe_0000, 4) == [0, 0, 0, 0])
  }

  @Test func saysWhatIsWrong() {
    let small = message { () throws(LoaderError) in try load(Images.bzImage(), memory: 16) }
    #expect(small == "guest: memory of 16 MiB is too small: 18 MiB needed")
    let large = message { () throws(LoaderError) in
      try load(Images.bzImage(), initrd: Images.initrd([UInt8](repeating: 0, count: 3 << 20)), memory: 20)
    }
    #expect(large == "guest: memory of 20 MiB is too small: 21 MiB needed for the kernel with initrd")
    let long = message { () throws(LoaderError) in
      try load(Images.bzImage(), line: String(repeating: "x", count: 256))
    }
    #expect(long == "guest: the command line has 256 bytes, this guest takes at most 255")
    let cut = message { () throws(LoaderError) in try load(Array(Images.bzImage().dropLast(100))) }
    #expect(cut == "guest: truncated: the kernel has 3996 of 4096 bytes")
    var old = Images.bzImage()
    old[BzImage.Field.xloadFlags] = 0
    let narrow = message { () throws(LoaderError) in try load(old) }
    #expect(narrow == "guest: a Linux kernel without a 64-bit entry point (boot protocol 0x20f)")
  }
}
