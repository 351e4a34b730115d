internal import VMMCore

extension RegisterTable {
  /// What no other stub shows: hidden parts of the segments, the tables, debug registers, the registers of SYSCALL, and
  /// the place in the recording.
  mutating func addReplay() {
    addTables()
    addSegmentBases()
    addDebugRegisters()
    addPlace()
  }

  private mutating func addSystem(
    _ name: String, _ bits: Int, _ get: @escaping (CPUState) -> UInt64,
    _ set: ((inout CPUState, UInt64) -> Void)? = nil
  ) {
    add(
      name, bits, type: "int", group: "system", in: .replay, { RegisterValue(get($0.state)) },
      set.map { set in { set(&$0, $1.low) } })
  }

  private mutating func addTables() {
    addSystem("gdtr_base", 64, { $0.gdtr.base }, { $0.gdtr.base = $1 })
    addSystem("gdtr_limit", 32, { UInt64($0.gdtr.limit) }, { $0.gdtr.limit = UInt16(truncatingIfNeeded: $1) })
    addSystem("idtr_base", 64, { $0.idtr.base }, { $0.idtr.base = $1 })
    addSystem("idtr_limit", 32, { UInt64($0.idtr.limit) }, { $0.idtr.limit = UInt16(truncatingIfNeeded: $1) })
    addSegment("ldtr", \.ldtr)
    addSegment("tr", \.tr)
  }

  private mutating func addSegment(_ name: String, _ path: WritableKeyPath<CPUState, Segment>) {
    addSystem(
      name, 32, { UInt64($0[keyPath: path].selector) },
      { $0[keyPath: path].selector = UInt16(truncatingIfNeeded: $1) })
    addSystem(name + "_base", 64, { $0[keyPath: path].base }, { $0[keyPath: path].base = $1 })
    addSystem(
      name + "_limit", 32, { UInt64($0[keyPath: path].limit) },
      { $0[keyPath: path].limit = UInt32(truncatingIfNeeded: $1) })
  }

  /// Those of fs and gs are in the core feature.
  private mutating func addSegmentBases() {
    let segments: [(String, WritableKeyPath<CPUState, Segment>)] = [
      ("cs_base", \.cs), ("ss_base", \.ss), ("ds_base", \.ds), ("es_base", \.es),
    ]
    for (name, path) in segments {
      addSystem(name, 64, { $0[keyPath: path].base }, { $0[keyPath: path].base = $1 })
    }
  }

  private mutating func addDebugRegisters() {
    addSystem("dr0", 64, { $0.dr0 }, { $0.dr0 = $1 })
    addSystem("dr1", 64, { $0.dr1 }, { $0.dr1 = $1 })
    addSystem("dr2", 64, { $0.dr2 }, { $0.dr2 = $1 })
    addSystem("dr3", 64, { $0.dr3 }, { $0.dr3 = $1 })
    addSystem("dr6", 64, { $0.dr6 }, { $0.dr6 = $1 })
    addSystem("dr7", 64, { $0.dr7 }, { $0.dr7 = $1 })
    addSystem("star", 64, { $0.star }, { $0.star = $1 })
    addSystem("lstar", 64, { $0.lstar }, { $0.lstar = $1 })
    addSystem("sfmask", 64, { $0.sfmask }, { $0.sfmask = $1 })
    addSystem("xcr0", 64, { $0.xcr0 }, { $0.xcr0 = $1 })
    addSystem("cpl", 32, { UInt64($0.privilegeLevel) })
    addSystem("code_bits", 32, { $0.is64Bit ? 64 : $0.cs.isDefault32 ? 32 : 16 })
    addSystem("halted", 32, { $0.halted ? 1 : 0 }, { $0.halted = $1 != 0 })
  }

  /// In the general group: `info registers` shows them.
  private mutating func addPlace() {
    add("position", 64, type: "uint64", in: .replay, { RegisterValue($0.position.ordinal) })
    add("position_instructions", 64, type: "uint64", in: .replay, { RegisterValue($0.position.instructions) })
    add("instructions", 64, type: "uint64", in: .replay, { $0.instructionCount.map { RegisterValue($0) } })
  }
}
