internal import VMMCore

extension RegisterTable {
  mutating func addX87() {
    for index in 0..<8 {
      add(
        "st\(index)", 80, type: "i387_ext",
        { RegisterValue($0.state.stSignificand[index], high: UInt64($0.state.stSignExponent[index])) },
        { state, value in
          state.stSignificand[index] = value.low
          state.stSignExponent[index] = UInt16(truncatingIfNeeded: value.high)
        })
    }
    addX87Control()
  }

  /// The environment in the 32-bit pieces that gdb knows; the 64-bit pointers are cut as FSAVE cuts them.
  private mutating func addX87Control() {
    add(x87: "fctrl", { UInt64($0.fcw) }, { $0.fcw = UInt16(truncatingIfNeeded: $1) })
    add(x87: "fstat", { UInt64($0.fsw) }, { $0.fsw = UInt16(truncatingIfNeeded: $1) })
    add(x87: "ftag", { UInt64(fullTagWord($0)) }, { $0.ftw = abridgedTagWord(UInt16(truncatingIfNeeded: $1)) })
    add(x87: "fiseg", { $0.fip >> 32 & 0xffff }, { $0.fip = $0.fip & 0xffff_ffff | ($1 & 0xffff) << 32 })
    add(x87: "fioff", { $0.fip & 0xffff_ffff }, { $0.fip = $0.fip & ~0xffff_ffff | $1 & 0xffff_ffff })
    add(x87: "foseg", { $0.fdp >> 32 & 0xffff }, { $0.fdp = $0.fdp & 0xffff_ffff | ($1 & 0xffff) << 32 })
    add(x87: "fooff", { $0.fdp & 0xffff_ffff }, { $0.fdp = $0.fdp & ~0xffff_ffff | $1 & 0xffff_ffff })
    add(x87: "fop", { UInt64($0.fop) }, { $0.fop = UInt16(truncatingIfNeeded: $1) & 0x7ff })
  }

  private mutating func add(
    x87 name: String, _ get: @escaping (CPUState) -> UInt64, _ set: @escaping (inout CPUState, UInt64) -> Void
  ) {
    add(
      name, 32, type: "int", group: "float", { RegisterValue(get($0.state)) },
      { set(&$0, $1.low) })
  }

  mutating func addSSE() {
    for index in 0..<(is64Bit ? 16 : 8) {
      add(
        "xmm\(index)", 128, type: "vec128", group: "vector", in: .sse,
        { RegisterValue($0.state.xmm[2 * index], high: $0.state.xmm[2 * index + 1]) },
        { state, value in
          state.xmm[2 * index] = value.low
          state.xmm[2 * index + 1] = value.high
        })
    }
    add(
      "mxcsr", 32, type: "i386_mxcsr", group: "vector", in: .sse, { RegisterValue($0.state.mxcsr) },
      { $0.mxcsr = UInt32(truncatingIfNeeded: $1.low) & 0xffff })
  }
}

/// The tag word with two bits a physical register: valid, zero, special, empty (Intel SDM vol. 1, 8.1.7), from the
/// abridged one and the registers' contents.
func fullTagWord(_ state: CPUState) -> UInt16 {
  let top = Int(state.fsw >> 11 & 7)
  var word: UInt16 = 0
  for physical in 0..<8 {
    let tag: UInt16
    if state.ftw & 1 << UInt8(physical) == 0 {
      tag = 3
    } else {
      let index = (physical - top) & 7
      tag = tagOfContent(state.stSignificand[index], exponent: state.stSignExponent[index] & 0x7fff)
    }
    word |= tag << UInt16(2 * physical)
  }
  return word
}

private func tagOfContent(_ significand: UInt64, exponent: UInt16) -> UInt16 {
  if exponent == 0 { return significand == 0 ? 1 : 2 }
  if exponent == 0x7fff || significand >> 63 == 0 { return 2 }
  return 0
}

/// One bit a physical register, set where it is not empty.
func abridgedTagWord(_ full: UInt16) -> UInt8 {
  (0..<8).reduce(0) { word, physical in
    full >> UInt16(2 * physical) & 3 == 3 ? word : word | 1 << UInt8(physical)
  }
}
