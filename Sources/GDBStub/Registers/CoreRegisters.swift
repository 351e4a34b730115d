internal import VMMCore

extension RegisterTable {
  /// rax … r15, rip, eflags; gdb's order differs from the instruction set's, and between the architectures.
  mutating func addGeneral() {
    let names64 = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"]
    let numbers64 = [0, 3, 1, 2, 6, 7, 5, 4]
    let names32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
    for index in 0..<8 {
      let number = is64Bit ? numbers64[index] : index
      let name = is64Bit ? names64[index] : names32[index]
      add(general: name, number: number)
    }
    if is64Bit { for number in 8..<16 { add(general: "r\(number)", number: number) } }
    addProgramCounter()
    add(
      "eflags", 32, type: "i386_eflags", stop: .rflags, { RegisterValue($0.state.rflags) },
      { $0.rflags = $1.low & 0xffff_ffff })
  }

  private mutating func add(general name: String, number: Int) {
    let isPointer = number == 4 || number == 5
    let keep: UInt64 = is64Bit ? .max : 0xffff_ffff
    let type = isPointer ? "data_ptr" : is64Bit ? "int64" : "int32"
    add(
      name, wordBits, type: type, stop: .general(number), { RegisterValue($0.state.gpr[number]) },
      { $0.gpr[number] = $1.low & keep })
  }

  /// gdb knows flat addresses only: outside 64-bit code the program counter is shown with the segment's base added, so
  /// that disassembly, breakpoints and symbols are right in real mode too. (`cs_base` is in the replay feature.)
  private mutating func addProgramCounter() {
    let isWide = !is64Bit && showsWideAddresses
    add(
      is64Bit ? "rip" : "eip", isWide ? 64 : wordBits, type: isWide ? "uint64" : "code_ptr", stop: .linearRIP,
      { RegisterValue($0.state.linearRIP) },
      { state, value in
        state.rip = state.is64Bit ? value.low : (value.low &- state.cs.base) & 0xffff_ffff
        // Whoever is sent elsewhere is awake.
        state.halted = false
      })
  }

  /// The selectors. Writing one outside protected mode sets the base too (Intel SDM vol. 3, 20.1.1); in protected mode
  /// the hidden part stays.
  mutating func addSegments() {
    let segments: [(String, WritableKeyPath<CPUState, Segment>)] = [
      ("cs", \.cs), ("ss", \.ss), ("ds", \.ds), ("es", \.es), ("fs", \.fs), ("gs", \.gs),
    ]
    for (name, path) in segments {
      add(
        name, 32, type: "int32", { RegisterValue($0.state[keyPath: path].selector) },
        { state, value in
          state[keyPath: path].selector = UInt16(truncatingIfNeeded: value.low)
          if state.cr0 & 1 == 0 { state[keyPath: path].base = (value.low & 0xffff) << 4 }
        })
    }
    add("fs_base", wordBits, type: "int", { RegisterValue($0.state.fs.base) }, { $0.fs.base = $1.low })
    add("gs_base", wordBits, type: "int", { RegisterValue($0.state.gs.base) }, { $0.gs.base = $1.low })
    add("k_gs_base", wordBits, type: "int", { RegisterValue($0.state.kernelGSBase) }, { $0.kernelGSBase = $1.low })
  }

  mutating func addControl() {
    add("cr0", wordBits, type: "x86_cr0", { RegisterValue($0.state.cr0) }, { $0.cr0 = $1.low })
    add("cr2", wordBits, type: "int", { RegisterValue($0.state.cr2) }, { $0.cr2 = $1.low })
    add("cr3", wordBits, type: "int", { RegisterValue($0.state.cr3) }, { $0.cr3 = $1.low })
    add("cr4", wordBits, type: "x86_cr4", { RegisterValue($0.state.cr4) }, { $0.cr4 = $1.low })
    add("cr8", wordBits, type: "int", { RegisterValue($0.state.cr8) }, { $0.cr8 = $1.low & 15 })
    add("efer", wordBits, type: "x86_efer", { RegisterValue($0.state.efer) }, { $0.efer = $1.low })
  }
}
