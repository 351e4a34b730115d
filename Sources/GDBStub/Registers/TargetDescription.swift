/// target.xml (gdb manual, appendix G) for a layout. The numbers are given explicitly and are those of QEMU up to
/// mxcsr; the registers of SSE are in the feature where gdb looks for them.
struct TargetDescription {
  private let layout: RegisterLayout
  init(_ layout: RegisterLayout) { self.layout = layout }

  var xml: [UInt8] {
    var text = """
      <?xml version="1.0"?>
      <!DOCTYPE target SYSTEM "gdb-target.dtd">
      <target version="1.0">
      <architecture>\(layout.architecture.rawValue)</architecture>

      """
    // gdb for Linux takes Linux for granted, and has none for 16 bits.
    if layout.architecture == .i8086 { text += "<osabi>none</osabi>\n" }
    for feature in Register.Feature.allCases { append(feature, to: &text) }
    text += "</target>\n"
    return Array(text.utf8)
  }

  private func append(_ feature: Register.Feature, to text: inout String) {
    text += "<feature name=\"\(feature.rawValue)\">\n"
    switch feature {
    case .core: for flags in TargetDescription.flagTypes { append(flags, to: &text) }
    case .sse: appendVectorTypes(to: &text)
    case .replay: break
    }
    for (number, register) in layout.registers.enumerated() where register.feature == feature {
      append(register, number: number, to: &text)
    }
    text += "</feature>\n"
  }

  private func append(_ register: Register, number: Int, to text: inout String) {
    text += "<reg name=\"\(register.name)\" bitsize=\"\(register.bits)\" type=\"\(register.type)\" regnum=\"\(number)\""
    if let group = register.group { text += " group=\"\(group)\"" }
    // gdb must not try to put these back after a call into the guest.
    if register.feature == .replay { text += " save-restore=\"no\"" }
    text += "/>\n"
  }

  /// A register whose bits have names.
  private struct FlagType {
    var name: String
    /// Bytes; 0 for the width of addresses.
    var size: Int
    var fields: [(name: String, first: Int, last: Int)]
  }

  private func append(_ type: FlagType, to text: inout String) {
    text += "<flags id=\"\(type.name)\" size=\"\(type.size == 0 ? layout.wordBytes : type.size)\">\n"
    for field in type.fields {
      text += "<field name=\"\(field.name)\" start=\"\(field.first)\" end=\"\(field.last)\"/>\n"
    }
    text += "</flags>\n"
  }

  /// Intel SDM vol. 1, 3.4.3; vol. 3, 2.2.1 and 2.5.
  private static let flagTypes: [FlagType] = [
    FlagType(
      name: "i386_eflags", size: 4,
      fields: [
        ("CF", 0, 0), ("", 1, 1), ("PF", 2, 2), ("AF", 4, 4), ("ZF", 6, 6), ("SF", 7, 7), ("TF", 8, 8), ("IF", 9, 9),
        ("DF", 10, 10), ("OF", 11, 11), ("IOPL", 12, 13), ("NT", 14, 14), ("RF", 16, 16), ("VM", 17, 17),
        ("AC", 18, 18), ("VIF", 19, 19), ("VIP", 20, 20), ("ID", 21, 21),
      ]),
    FlagType(
      name: "x86_cr0", size: 0,
      fields: [
        ("PE", 0, 0), ("MP", 1, 1), ("EM", 2, 2), ("TS", 3, 3), ("ET", 4, 4), ("NE", 5, 5), ("WP", 16, 16),
        ("AM", 18, 18), ("NW", 29, 29), ("CD", 30, 30), ("PG", 31, 31),
      ]),
    FlagType(
      name: "x86_cr4", size: 0,
      fields: [
        ("VME", 0, 0), ("PVI", 1, 1), ("TSD", 2, 2), ("DE", 3, 3), ("PSE", 4, 4), ("PAE", 5, 5), ("MCE", 6, 6),
        ("PGE", 7, 7), ("PCE", 8, 8), ("OSFXSR", 9, 9), ("OSXMMEXCPT", 10, 10), ("UMIP", 11, 11), ("LA57", 12, 12),
        ("VMXE", 13, 13), ("SMXE", 14, 14), ("FSGSBASE", 16, 16), ("PCIDE", 17, 17), ("OSXSAVE", 18, 18),
        ("SMEP", 20, 20), ("SMAP", 21, 21), ("PKE", 22, 22),
      ]),
    FlagType(
      name: "x86_efer", size: 0,
      fields: [("SCE", 0, 0), ("LME", 8, 8), ("LMA", 10, 10), ("NXE", 11, 11), ("SVME", 12, 12)]),
  ]

  private static let mxcsr = FlagType(
    name: "i386_mxcsr", size: 4,
    fields: [
      ("IE", 0, 0), ("DE", 1, 1), ("ZE", 2, 2), ("OE", 3, 3), ("UE", 4, 4), ("PE", 5, 5), ("DAZ", 6, 6), ("IM", 7, 7),
      ("DM", 8, 8), ("ZM", 9, 9), ("OM", 10, 10), ("UM", 11, 11), ("PM", 12, 12), ("FZ", 15, 15),
    ])

  private func appendVectorTypes(to text: inout String) {
    append(TargetDescription.mxcsr, to: &text)
    text += """
      <vector id="v4f" type="ieee_single" count="4"/>
      <vector id="v2d" type="ieee_double" count="2"/>
      <vector id="v16i8" type="int8" count="16"/>
      <vector id="v8i16" type="int16" count="8"/>
      <vector id="v4i32" type="int32" count="4"/>
      <vector id="v2i64" type="int64" count="2"/>
      <union id="vec128">
      <field name="v4_float" type="v4f"/>
      <field name="v2_double" type="v2d"/>
      <field name="v16_int8" type="v16i8"/>
      <field name="v8_int16" type="v8i16"/>
      <field name="v4_int32" type="v4i32"/>
      <field name="v2_int64" type="v2i64"/>
      <field name="uint128" type="uint128"/>
      </union>

      """
  }
}

extension RegisterLayout {
  /// Bytes in an address.
  var wordBytes: Int { architecture == .x64 ? 8 : 4 }
}
