internal import VMMCore

/// What CPUID says there is, as far as an instruction's existence depends on it.
struct Feature {
  var leaf: UInt32
  /// 0 EAX … 3 EDX.
  var register: Int
  var bit: UInt32

  static var monitor: Feature { Feature(leaf: 1, register: 2, bit: 3) }
  static var pcid: Feature { Feature(leaf: 1, register: 2, bit: 17) }
  static var xsave: Feature { Feature(leaf: 1, register: 2, bit: 26) }
  static var rdrand: Feature { Feature(leaf: 1, register: 2, bit: 30) }
  static var fsgsbase: Feature { Feature(leaf: 7, register: 1, bit: 0) }
  static var smep: Feature { Feature(leaf: 7, register: 1, bit: 7) }
  static var invpcid: Feature { Feature(leaf: 7, register: 1, bit: 10) }
  static var rdseed: Feature { Feature(leaf: 7, register: 1, bit: 18) }
  static var smap: Feature { Feature(leaf: 7, register: 1, bit: 20) }
  static var umip: Feature { Feature(leaf: 7, register: 2, bit: 2) }
  static var rdpid: Feature { Feature(leaf: 7, register: 2, bit: 22) }
  static var noExecute: Feature { Feature(leaf: 0x8000_0001, register: 3, bit: 20) }
  static var fastFXSAVE: Feature { Feature(leaf: 0x8000_0001, register: 3, bit: 25) }
  static var rdtscp: Feature { Feature(leaf: 0x8000_0001, register: 3, bit: 27) }
  static var longMode: Feature { Feature(leaf: 0x8000_0001, register: 3, bit: 29) }
}

extension CPUModel {
  func hasFeature(_ feature: Feature) -> Bool {
    let leaf = lookup(leaf: feature.leaf, subleaf: 0)
    let word = [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx][feature.register]
    return word >> feature.bit & 1 != 0
  }
}
