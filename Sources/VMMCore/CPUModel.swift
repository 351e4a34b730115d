/// One leaf of CPUID.
public struct CPUIDLeaf: Equatable, Hashable, Sendable {
  public var leaf: UInt32
  /// `nil` for leaves that ignore ECX.
  public var subleaf: UInt32?
  public var eax: UInt32
  public var ebx: UInt32
  public var ecx: UInt32
  public var edx: UInt32

  public init(_ leaf: UInt32, subleaf: UInt32? = nil, eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    self.leaf = leaf
    self.subleaf = subleaf
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }
}

/// What CPUID tells the guest: the same on every host, and nothing that a recording cannot log; and the profile of the
/// undefined.
public struct CPUModel: Equatable, Sendable {
  /// The name that `--cpu` takes and the trace header holds.
  public var name: String
  public var leaves: [CPUIDLeaf]
  /// What it does where the manuals leave it open.
  public var undefined: UndefinedProfile

  public init(name: String, leaves: [CPUIDLeaf], undefined: UndefinedProfile = .reference) {
    self.name = name
    self.leaves = leaves
    self.undefined = undefined
  }

  /// The leaf as CPUID answers it; zeros for one that does not exist.
  public func lookup(leaf: UInt32, subleaf: UInt32) -> CPUIDLeaf {
    leaves.first { $0.leaf == leaf && ($0.subleaf == nil || $0.subleaf == subleaf) }
      ?? CPUIDLeaf(leaf, eax: 0, ebx: 0, ecx: 0, edx: 0)
  }
}

extension CPUModel {
  /// CPUID of a CPU with these features: family 15, model 107, stepping 1 of "AuthenticAMD", as QEMU's qemu64, with 40
  /// bits of physical and 48 of linear address. AMD's rules hold: leaves that do not exist read zeros. The maximum
  /// basic leaf is as low as the features allow, because some hosts force bits of leaves 7 and 13 on when they exist.
  ///
  /// - Parameter brand: the processor's name, at most 48 characters.
  public init(name: String, features: [CPUFeature], brand: String) {
    func word(_ leaf: UInt32, _ register: CPUFeature.Register) -> UInt32 {
      features.reduce(0) { $1.leaf == leaf && $1.register == register ? $0 | 1 << $1.bit : $0 }
    }
    let hasXSAVE = features.contains(.xsave)
    let hasStructured = features.contains { $0.leaf == 7 }
    let vendor = (ascii("Auth"), ascii("cAMD"), ascii("enti"))
    let basic = word(1, .edx)
    var leaves = [
      CPUIDLeaf(0, eax: hasXSAVE ? 13 : hasStructured ? 7 : 1, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      CPUIDLeaf(1, eax: signature, ebx: 8 << 8 /* CLFLUSH of 8 quadwords */, ecx: word(1, .ecx), edx: basic),
    ]
    if hasStructured {
      leaves.append(CPUIDLeaf(7, subleaf: 0, eax: 0, ebx: word(7, .ebx), ecx: word(7, .ecx), edx: 0))
    }
    if hasXSAVE {
      // x87 and SSE in XCR0, and an area of 576 bytes for them.
      leaves.append(CPUIDLeaf(13, subleaf: 0, eax: 3, ebx: 576, ecx: 576, edx: 0))
    }
    let (extended, power): (UInt32, UInt32) = (0x8000_0001, 0x8000_0007)
    leaves += [
      CPUIDLeaf(0x4000_0000, eax: 0x4000_0000, ebx: ascii("Chro"), ecx: ascii("novi"), edx: ascii("sor ")),
      CPUIDLeaf(0x8000_0000, eax: 0x8000_0008, ebx: vendor.0, ecx: vendor.1, edx: vendor.2),
      CPUIDLeaf(
        extended, eax: signature, ebx: 0, ecx: word(extended, .ecx), edx: basic & sharedBits | word(extended, .edx)),
      brandLeaf(0, brand), brandLeaf(1, brand), brandLeaf(2, brand),
      CPUIDLeaf(power, eax: 0, ebx: 0, ecx: 0, edx: word(power, .edx)),
      CPUIDLeaf(0x8000_0008, eax: 48 << 8 | 40, ebx: 0, ecx: 0, edx: 0),
    ]
    self.init(name: name, leaves: leaves)
  }

  /// CPUID reports the feature.
  @inlinable public func has(_ feature: CPUFeature) -> Bool {
    let leaf = lookup(leaf: feature.leaf, subleaf: 0)
    let word =
      switch feature.register {
      case .ebx: leaf.ebx
      case .ecx: leaf.ecx
      case .edx: leaf.edx
      }
    return word >> feature.bit & 1 != 0
  }

  /// All features that CPUID reports and that have a name.
  public var features: [CPUFeature] { CPUFeature.all.filter { has($0) } }
}

/// Base family 15, model 0x6b, stepping 1.
private let signature: UInt32 = 0x0006_0fb1
/// The bits of leaf 1 EDX that AMD repeats in leaf 0x80000001.
private let sharedBits: UInt32 = 0x0183_f3ff

/// Up to four characters, zero-padded, little-endian.
private func ascii(_ text: some Collection<Character>) -> UInt32 {
  String(text).utf8.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
}

/// One of the three leaves of 16 characters each that hold the brand.
private func brandLeaf(_ number: UInt32, _ brand: String) -> CPUIDLeaf {
  let text = brand.dropFirst(Int(number) * 16)
  func word(_ index: Int) -> UInt32 { ascii(text.dropFirst(index * 4).prefix(4)) }
  return CPUIDLeaf(0x8000_0002 + number, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3))
}
