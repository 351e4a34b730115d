internal import NativeOracle

@testable internal import X86

// What is compared, and how differences read: notes that begin with a name.
extension FuzzRun {
  func difference(
    _ a: [(name: String, value: UInt64)], _ b: [(name: String, value: UInt64)]
  ) -> [String] {
    zip(a, b).filter { $0.value != $1.value }.map { "\($0.name) \(hex($0.value)), here \(hex($1.value))" }
  }

  func difference(host: NativeState, here: NativeState) -> [String] {
    var notes: [String] = []
    func check(_ name: String, _ a: UInt64, _ b: UInt64) {
      if a != b { notes.append("\(name) \(hex(a)), here \(hex(b))") }
    }
    check("rip", host.rip, here.rip)
    check("rflags", host.rflags, here.rflags)
    for number in 0..<(mode.is64 ? 16 : 8) {
      let mask: UInt64 = mode.is64 ? .max : 0xffff_ffff
      check("r\(number)", host.register(number) & mask, here.register(number) & mask)
    }
    if mode.is64 {
      check("fs base", host.fs_base, here.fs_base)
      check("gs base", host.gs_base, here.gs_base)
    }
    check("es", host.es, here.es)
    check("ds", host.ds, here.ds)
    check("fs", host.fs, here.fs)
    check("gs", host.gs, here.gs)
    check("ss", host.ss, here.ss)
    if mode.isReal || mode.isKernel { check("cs", host.cs, here.cs) }
    let (status, expected) = (UInt64(host.field(2, as: UInt16.self)), UInt64(here.field(2, as: UInt16.self)))
    check("conditions", status & 0x4700, expected & 0x4700)
    check("fsw", status & ~0x4700, expected & ~0x4700)
    for (name, offset, size) in FuzzRun.fields {
      if size == 8 {
        check(name, host.field(offset), here.field(offset))
      } else {
        check(name, UInt64(host.field(offset, as: UInt16.self)), UInt64(here.field(offset, as: UInt16.self)))
      }
    }
    return notes
  }

  /// The FXSAVE image: name, offset, bytes.
  private static let fields: [(String, Int, Int)] = {
    var list = [
      ("fcw", 0, 2), ("ftw", 4, 2), ("fop", 6, 2), ("fip", 8, 8), ("fdp", 16, 8), ("mxcsr", 24, 8),
    ]
    for number in 0..<8 { list += [("st\(number)", 32 + 16 * number, 8), ("st\(number).se", 40 + 16 * number, 2)] }
    for lane in 0..<32 { list.append(("xmm\(lane / 2).\(lane & 1)", 160 + 8 * lane, 8)) }
    return list
  }()

  func difference(_ a: [UInt8], _ b: [UInt8]) -> [String] {
    guard a != b, let at = a.indices.first(where: { a[$0] != b[$0] }) else { return [] }
    let count = a.indices.filter { a[$0] != b[$0] }.count
    return ["memory at +\(hex(at)): \(hex(a[at])), here \(hex(b[at])) (\(count) bytes differ)"]
  }
}
