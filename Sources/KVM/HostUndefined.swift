internal import CKVM
public import VMMCore

extension UndefinedProfile {
  /// What this host's CPU does where the manuals leave it open: found out once, in a few milliseconds, by executing
  /// samples in this process. The reference where the host lets no process make code.
  public static let host: UndefinedProfile = HostUndefined.probe() ?? .reference
}

/// Executes the samples of `UndefinedProbe` on the host's CPU.
enum HostUndefined {
  static func probe() -> UndefinedProfile? {
    // Sound: the map is this function's alone, and `chost_execute` checks the length; the samples are user-mode code
    // that touches no memory but the stack, and faults only where `chost_execute_faulting` takes that.
    guard let map = unsafe chost_code_map() else { return nil }
    defer { unsafe chost_code_unmap(map) }
    var works = true
    func execute(_ code: [UInt8], _ registers: UndefinedProbe.Registers, legacy: Bool) -> UndefinedProbe.Registers? {
      var words = chost_registers(
        rax: registers.rax, rcx: registers.rcx, rdx: registers.rdx, rbx: registers.rbx,
        rflags: registers.flags & 0x8d5 | 0x202)
      let status =
        unsafe legacy
        ? chost_execute_legacy(map, code, code.count, &words) : chost_execute(map, code, code.count, &words)
      guard status == 0 else { return nil }
      return UndefinedProbe.Registers(
        rax: words.rax, rcx: words.rcx, rdx: words.rdx, rbx: words.rbx, flags: words.rflags)
    }
    func must(legacy: Bool) -> UndefinedProbe.Execute {
      { code, registers in
        if let end = execute(code, registers, legacy: legacy) { return end }
        works = false
        return registers
      }
    }
    let hasLegacyCode = execute([0x90], .init(), legacy: true) != nil
    let probe = UndefinedProbe(
      has: { host.has($0) }, execute: must(legacy: false), executeLegacy: hasLegacyCode ? must(legacy: true) : nil)
    var profile = probe.profile()
    unsafe addFaults(map, to: &profile)
    return works ? profile : nil
  }

  /// What faults and their kin show.
  private static func addFaults(_ map: OpaquePointer, to profile: inout UndefinedProfile) {
    /// Executes code that begins with RBX where accessible memory ends: 1 after a fault, 0 without one.
    func run(_ code: [UInt8]) -> (status: Int32, fault: chost_fault) {
      var registers = chost_registers(rax: 0, rcx: 0, rdx: 0, rbx: 0, rflags: 0x202)
      var fault = chost_fault()
      let status = unsafe chost_execute_faulting(map, code, code.count, &registers, &fault)
      return (status, fault)
    }
    func fault(_ code: [UInt8]) -> chost_fault? {
      let (status, fault) = run(code)
      return status == 1 ? fault : nil
    }
    // UD2. RF is bit 16.
    if let flags = fault([0x0f, 0x0b])?.rflags { profile[.faultsKeepResumeFlag] = flags & 1 << 16 == 0 }
    // ADD [RBX], RAX. W/R is bit 1.
    if let code = fault([0x48, 0x01, 0x03])?.error_code { profile[.readsBeforeUpdates] = code & 2 == 0 }
    // LEA RDI, [RBX - 4]; MOV ECX, 16; MOV AL, 55H; STC; REPNE SCASB: of 55H and 0 there is no carry.
    let scan: [UInt8] = [0x48, 0x8d, 0x7b, 0xfc, 0xb9, 16, 0, 0, 0, 0xb0, 0x55, 0xf9, 0xf2, 0xae]
    if let flags = fault(scan)?.rflags { profile[.restoresStringFlags] = flags & 1 != 0 }
    // FNINIT; PUSH 37EH; FLDCW [RSP]; FISTP QWORD [RBX]; FNINIT; POP RAX: nothing is there to be stored.
    let store: [UInt8] = [0xdb, 0xe3, 0x68, 0x7e, 3, 0, 0, 0xd9, 0x2c, 0x24, 0xdf, 0x3b, 0xdb, 0xe3, 0x58]
    profile[.skipsStoresOfX87Errors] = run(store).status == 0
    // MOV RDI, RBX; MASKMOVDQU XMM0, XMM1
    profile[.checksUpperHalfFirst] = fault([0x48, 0x89, 0xdf, 0x66, 0x0f, 0xf7, 0xc1])?.address == 8
    // FNINIT; FLD1; FLD1; MOVD [RBX], MM0. TOP is bits 11 to 13.
    let move: [UInt8] = [0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xe8, 0x0f, 0x7e, 0x03]
    if let status = fault(move)?.x87_status { profile[.mmxStoresClearTop] = status & 0x3800 == 0 }
    // MOVSXD AX, [RBX - 2]
    profile[.extendsWordsOfMOVSXD] = run([0x66, 0x63, 0x43, 0xfe]).status == 0
    let rotatesAlike = profile[.rotate] == profile[.rotateByImmediate]
    profile[.kernelRotatesByCL] = !rotatesAlike && DebuggingProbe.kernelRotatesByCL
  }

  /// What CPUID says to this process.
  static let host = CPUModel(
    name: "host",
    leaves: ([1, 7, 0x8000_0001] as [UInt32]).map { leaf in
      let words = chost_cpuid(leaf, 0)
      return CPUIDLeaf(leaf, eax: words.eax, ebx: words.ebx, ecx: words.ecx, edx: words.edx)
    })
}
