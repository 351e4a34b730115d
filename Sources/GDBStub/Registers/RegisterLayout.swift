public import VMMCore

/// The machine that the client is told about, each time that it reads target.xml.
public enum ClientArchitecture: String, Sendable, CaseIterable {
  /// 64-bit registers; right for every guest that uses them.
  case x64 = "i386:x86-64"
  /// 32-bit code.
  case i386 = "i386"
  /// 16-bit code, real mode above all.
  case i8086 = "i8086"

  /// The one that fits the code that a CPU is about to execute (Intel SDM vol. 3, 3.4.5 and 4.1).
  public init(for state: CPUState) {
    if state.is64Bit {
      self = .x64
    } else {
      self = state.cs.isDefault32 ? .i386 : .i8086
    }
  }
}

/// The registers of an architecture in the order of their numbers, which is QEMU's.
struct RegisterLayout {
  let architecture: ClientArchitecture
  let registers: [Register]
  /// The numbers that stop replies carry along, so that the client need not ask: program counter, stack and frame
  /// pointer, flags, and what the script looks at at each stop.
  let expedited: [Int]

  /// - Parameter showsWideAddresses: the program counter has 64 bits in 16- and 32-bit code too: see
  ///   `Server.Options.hasWideSymbols`.
  init(_ architecture: ClientArchitecture, showsWideAddresses: Bool = false) {
    self.architecture = architecture
    var table = RegisterTable(is64Bit: architecture == .x64, showsWideAddresses: showsWideAddresses)
    table.addCore()
    table.addReplay()
    registers = table.registers
    let names =
      (architecture == .x64 ? ["rbp", "rsp", "rip"] : ["ebp", "esp", "eip"])
      + ["eflags", "cpl", "code_bits"]
    expedited = registers.indices.filter { names.contains(table.registers[$0].name) }
  }

  /// What the numbers stand for that an engine knows without the whole state.
  var stopRegisters: [StopRegister?] { registers.map(\.stopRegister) }

  var programCounterBits: Int { registers.first { $0.name == "rip" || $0.name == "eip" }?.bits ?? 64 }

  func number(of name: String) -> Int? { registers.firstIndex { $0.name == name } }
}

/// Makes a layout's registers.
struct RegisterTable {
  let is64Bit: Bool
  let showsWideAddresses: Bool
  var registers: [Register] = []

  init(is64Bit: Bool, showsWideAddresses: Bool) {
    self.is64Bit = is64Bit
    self.showsWideAddresses = showsWideAddresses
  }

  /// The width of addresses and of general registers.
  var wordBits: Int { is64Bit ? 64 : 32 }

  mutating func add(
    _ name: String, _ bits: Int, type: String, group: String? = nil, in feature: Register.Feature = .core,
    stop: StopRegister? = nil, _ get: @escaping (RegisterSource) -> RegisterValue?,
    _ set: ((inout CPUState, RegisterValue) -> Void)? = nil
  ) {
    registers.append(
      Register(
        name: name, bits: bits, type: type, group: group, feature: feature, stopRegister: stop, get: get, set: set))
  }

  mutating func addCore() {
    addGeneral()
    addSegments()
    addControl()
    addX87()
    addSSE()
  }
}
