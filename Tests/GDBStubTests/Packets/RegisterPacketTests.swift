import Testing
import VMMCore

@testable import GDBStub

@Suite struct RegisterPacketTests {
  /// The bytes of one register.
  private func register(_ name: String, of target: FakeTarget = FakeTarget(), _ architecture: ClientArchitecture = .x64)
    throws -> String
  {
    let number = try #require(RegisterLayout(architecture).number(of: name))
    return reply("p" + String(number, radix: 16), target: target, architecture: architecture)
  }

  /// QEMU's order for i386:x86-64, and with it the layout of `g`.
  @Test func numbersAreQEMUs() {
    let names = RegisterLayout(.x64).registers.map(\.name)
    let qemu =
      "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs "
      + "fs_base gs_base k_gs_base cr0 cr2 cr3 cr4 cr8 efer st0 st1 st2 st3 st4 st5 st6 st7 "
      + "fctrl fstat ftag fiseg fioff foseg fooff fop "
      + "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15 mxcsr"
    let expected = qemu.split(separator: " ").map(String.init)
    #expect(Array(names.prefix(expected.count)) == expected)
    #expect(Set(names).count == names.count)
    #expect(names.count < 256, "expedited registers have two digits")
  }

  @Test func numbersOf32BitCode() {
    let names = RegisterLayout(.i386).registers.map(\.name)
    let expected = "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs".split(separator: " ").map(String.init)
    #expect(Array(names.prefix(16)) == expected)
    #expect(names.contains("xmm7"))
    #expect(!names.contains("xmm8"))
    #expect(!names.contains("r8"))
  }

  @Test func allAtOnce() {
    let text = reply("g")
    let layout = RegisterLayout(.x64)
    #expect(text.count == 2 * layout.registers.reduce(0) { $0 + $1.byteCount })
    // rax, rbx, then rsp is number 7, r15 number 15, rip number 16.
    let words = Array(text)
    func word(_ number: Int) -> String { String(words[(16 * number)..<(16 * number + 16)]) }
    #expect(word(0) == "0000000000000000")
    #expect(word(7) == "0080000000000000")
    #expect(word(15) == "8877665544332211")
    #expect(word(16) == "0010000000000000")
  }

  @Test func whatNobodyCountedIsNotAvailable() throws {
    let target = FakeTarget()
    target.hasCounted = false
    #expect(try register("instructions", of: target) == String(repeating: "x", count: 16))
    let all = reply("g", target: target)
    #expect(all.filter { $0 == "x" }.count == 16)
    #expect(all.count == reply("g").count)
  }

  @Test(arguments: [
    ("rip", "0010000000000000"), ("eflags", "02000000"), ("cs", "10000000"), ("gs_base", "0010000080 88ffff"),
    ("k_gs_base", "34120000ff7f0000"), ("cr0", "1100008000000000"), ("cr3", "0030000000000000"),
    ("efer", "0005000000000000"), ("fctrl", "7f030000"), ("ftag", "ffff0000"), ("mxcsr", "801f0000"),
    ("xmm0", "00000000000045400000000000000000"), ("gdtr_base", "0060000000000000"), ("gdtr_limit", "37000000"),
    ("tr", "28000000"), ("dr7", "0104000000000000"), ("position", "0000000000000000"), ("cpl", "00000000"),
  ])
  func one(_ name: String, _ value: String) throws {
    #expect(try register(name) == value.filter { $0 != " " })
  }

  @Test func thePlaceInTheRecording() throws {
    let target = FakeTarget()
    _ = Conversation(["qRcmd," + hexText("goto 2+3")], target: target)
    #expect(try register("position", of: target) == "0200000000000000")
    #expect(try register("position_instructions", of: target) == "0300000000000000")
    #expect(try register("instructions", of: target) == "1100000000000000")
  }

  @Test(arguments: [("pff", "E02"), ("p", "E16"), ("p0x", "E16"), ("pffffffffffffffff", "E02"), ("p-1", "E16")])
  func readingWhatIsNotThere(_ packet: String, _ error: String) {
    #expect(reply(packet) == error)
  }

  @Test func writingIsRefusedWithAReason() {
    let target = FakeTarget()
    let before = target.cpu
    #expect(reply("P0=0100000000000000", target: target).hasPrefix("E.this is a replay"))
    #expect(reply("G0100000000000000", target: target).hasPrefix("E.this is a replay"))
    #expect(target.cpu == before)
    #expect(monitor("why", target: target) == "nothing has been refused\n", "another session")
    let replies = Conversation(["P0=0100000000000000", "qRcmd," + hexText("why")], target: target).replies
    #expect(text(replies[1]).contains("monitor diversion begin"))
  }

  @Test func writingInADiversion() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    let replies = Conversation(["P0=0807060504030201", "p0", "P10=2010000000000000", "p10"], target: target).replies
    #expect(replies == ["OK", "0807060504030201", "OK", "2010000000000000"])
    #expect(!target.isDiverted, "a diversion ends with its session")
    #expect(target.cpu.state.rip == FakeProgram.start)
  }

  @Test func everyWritableRegisterReadsBack() throws {
    let target = FakeTarget()
    for (number, register) in RegisterLayout(.x64).registers.enumerated() where register.set != nil {
      try target.beginDiversion()
      // Small enough for every register: the narrowest have 4 and 11 bits.
      let value = [5] + [UInt8](repeating: 0, count: register.byteCount - 1)
      let text = String(decoding: value.hexText, as: UTF8.self)
      let digits = String(number, radix: 16)
      let replies = Conversation(["P\(digits)=\(text)", "p\(digits)"], target: target).replies
      let expected = register.name == "ftag" ? "05000000" : text
      // Tags follow from the contents: an empty register's bits read back, a full one's are zero (1).
      if register.name == "ftag" {
        #expect(replies[0] == "OK")
      } else if register.name == "halted" {
        #expect(replies == ["OK", "01000000"])
      } else {
        #expect(replies == ["OK", expected], "\(register.name)")
      }
    }
  }

  @Test(arguments: ["P0=", "P0=00", "P0", "P", "P0=01000000000000000", "P0=010000000000000g", "G0", "G01"])
  func malformedWrites(_ packet: String) throws {
    let target = FakeTarget()
    try target.beginDiversion()
    #expect(reply(packet, target: target) == "E16")
  }

  @Test func writingAllLeavesWhatIsNotGiven() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    let replies = Conversation(["G" + "0100000000000000" + "0200000000000000", "p0", "p1", "p7"], target: target)
      .replies
    #expect(replies == ["OK", "0100000000000000", "0200000000000000", "0080000000000000"])
  }

  @Test func registersThatCannotBeWritten() throws {
    let number = try #require(RegisterLayout(.x64).number(of: "position"))
    #expect(reply("P\(String(number, radix: 16))=0100000000000000") == "E.position cannot be written")
  }

  /// After a call gdb puts back every register that it was shown.
  @Test func inADiversionThePlaceMayBePutBack() throws {
    let target = FakeTarget()
    for name in ["position", "position_instructions", "instructions", "cpl", "code_bits"] {
      let layout = RegisterLayout(.x64)
      let number = try #require(layout.number(of: name))
      let digits = String(repeating: "0", count: 2 * layout.registers[number].byteCount)
      try target.beginDiversion()
      let packet = String(number, radix: 16)
      let replies = Conversation(["p\(packet)", "P\(packet)=\(digits)", "p\(packet)"], target: target).replies
      #expect(replies[1] == "OK" && replies[0] == replies[2], "\(name): \(replies)")
    }
  }

  /// A call from a halted machine runs, and afterwards it is halted again.
  @Test func whoIsSentElsewhereIsAwake() throws {
    let target = FakeTarget()
    try target.beginDiversion()
    var state = target.cpu.state
    state.halted = true
    try target.setRegisters(state)
    let halted = String(try #require(RegisterLayout(.x64).number(of: "halted")), radix: 16)
    let replies = Conversation(
      ["p\(halted)", "P10=2010000000000000", "p\(halted)", "P\(halted)=01000000", "p\(halted)"], target: target
    ).replies
    #expect(replies == ["01000000", "OK", "00000000", "OK", "01000000"])
  }

  /// The description is that of the code which the machine is in when the client reads it.
  @Test func aClientThatReadsAgainSeesTheNewMode() throws {
    let target = FakeTarget()
    target.stateOverride = CPUState()
    let session = Session(target: target, transport: MemoryTransport([]))
    func description(from offset: String) throws -> String {
      var reader = PacketReader("target.xml:\(offset),1000")
      guard case .payload(let bytes) = try session.readFeatures(&reader) else { return "" }
      return String(decoding: bytes, as: UTF8.self)
    }
    let before = try description(from: "0")
    #expect(before.contains("<architecture>i8086</architecture>\n<osabi>none</osabi>"))
    target.stateOverride = nil
    #expect(session.layout.architecture == .i8086)
    let rest = try description(from: "1")
    #expect(rest.contains("i8086"), "the rest of what it has begun to read")
    let after = try description(from: "0")
    #expect(after.contains("<architecture>i386:x86-64</architecture>") && !after.contains("osabi"))
    #expect(session.layout.architecture == .x64)
  }

  @Test func aNarrowProgramCounterMayHaveWideAddresses() throws {
    let layout = RegisterLayout(.i386, showsWideAddresses: true)
    #expect(layout.programCounterBits == 64 && RegisterLayout(.i386).programCounterBits == 32)
    #expect(RegisterLayout(.x64, showsWideAddresses: true).programCounterBits == 64)
  }

  @Test func realModeShowsLinearAddresses() throws {
    let target = FakeTarget()
    target.stateOverride = CPUState()
    #expect(ClientArchitecture(for: CPUState()) == .i8086)
    #expect(try register("eip", of: target, .i8086) == "f0ffffff")
    #expect(try register("cs", of: target, .i8086) == "00f00000")
    #expect(try register("cs_base", of: target, .i8086) == "0000ffff00000000")
  }

  @Test func theArchitectureFollowsTheCode() {
    var state = CPUState()
    state.cs.attributes |= 1 << 14
    #expect(ClientArchitecture(for: state) == .i386)
    #expect(ClientArchitecture(for: FakeCPU.initialState) == .x64)
  }

  @Test func tagWords() {
    var state = CPUState()
    #expect(fullTagWord(state) == 0xffff)
    // Two values pushed: TOP is 6, ST0 in R6 (1.0), ST1 in R7 (0).
    state.fsw = 6 << 11
    state.ftw = 0b1100_0000
    state.stSignificand[0] = 1 << 63
    state.stSignExponent[0] = 0x3fff
    #expect(fullTagWord(state) == 0b0100_1111_1111_1111)
    state.stSignExponent[0] = 0xffff
    #expect(fullTagWord(state) == 0b0110_1111_1111_1111, "infinity is special")
    #expect(abridgedTagWord(fullTagWord(state)) == state.ftw)
  }
}
