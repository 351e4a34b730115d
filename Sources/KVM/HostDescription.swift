internal import CKVM
internal import Glibc
internal import VMMCore

/// What a trace remembers of the host that recorded it.
public struct HostDescription: Equatable, Sendable {
  /// The CPU's brand string and the kernel's release, for people.
  public var text: String
  /// A digest of the CPUID leaves that name the CPU and its features: another value means another CPU.
  public var cpuidDigest: UInt64

  /// This host.
  public static func current() -> HostDescription {
    HostDescription(text: "\(brand()), Linux \(kernelRelease())", cpuidDigest: digest())
  }

  /// Leaves 0x80000002 to 0x80000004: 48 characters.
  private static func brand() -> String {
    var bytes: [UInt8] = []
    for leaf in UInt32(0x8000_0002)...0x8000_0004 {
      let words = chost_cpuid(leaf, 0)
      for word in [words.eax, words.ebx, words.ecx, words.edx] {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
      }
    }
    let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    return text.split(separator: " ").joined(separator: " ")
  }

  private static func kernelRelease() -> String {
    var names = utsname()
    guard unsafe uname(&names) == 0 else { return "unknown" }
    return unsafe withUnsafeBytes(of: names.release) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Leaf 1 without what differs between two cores of one host: the APIC number in EBX, and OSXSAVE.
  private static func digest() -> UInt64 {
    var digest = Digest()
    let masks: [(UInt32, ebx: UInt32, ecx: UInt32)] = [
      (0, .max, .max), (1, 0x0000_ffff, ~(1 << 27)), (7, .max, .max), (0x8000_0001, .max, .max),
    ]
    for (leaf, ebxMask, ecxMask) in masks {
      let words = chost_cpuid(leaf, 0)
      digest.fold(UInt64(words.eax) << 32 | UInt64(words.ebx & ebxMask))
      digest.fold(UInt64(words.ecx & ecxMask) << 32 | UInt64(words.edx))
    }
    return digest.value
  }
}
