internal import CKVM
internal import Glibc
internal import VMMCore

/// One vCPU descriptor and its run page (KVM API 4.7, 5). Every method is one ioctl.
@safe
final class VCPU {
  let descriptor: Int32
  /// Mapped once, shared with the kernel, unmapped in deinit; never copied.
  let run: UnsafeMutablePointer<kvm_run>
  private let runSize: Int
  /// Keeps the VM's memory slots as long as the vCPU.
  private let vm: VM

  init(_ vm: VM, model: CPUModel) throws(EngineError) {
    self.vm = vm
    let result = ckvm_ioctl(vm.descriptor, CKVM_CREATE_VCPU, 0)
    try check(result, "KVM_CREATE_VCPU")
    let mapping = unsafe mmap(nil, vm.system.runSize, PROT_READ | PROT_WRITE, MAP_SHARED, result, 0)
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
      let error = -errno
      close(result)
      throw .host("mapping the vCPU's run page", error)
    }
    descriptor = result
    unsafe run = mapping.bindMemory(to: kvm_run.self, capacity: 1)
    runSize = vm.system.runSize
    try setCPUID(model)
  }

  deinit {
    unsafe munmap(run, runSize)
    close(descriptor)
  }

  /// KVM_SET_CPUID2 (API 4.20).
  private func setCPUID(_ model: CPUModel) throws(EngineError) {
    let entries = model.leaves.map { leaf in
      kvm_cpuid_entry2(
        function: leaf.leaf, index: leaf.subleaf ?? 0,
        flags: leaf.subleaf == nil ? 0 : UInt32(1 /* KVM_CPUID_FLAG_SIGNIFCANT_INDEX */), eax: leaf.eax, ebx: leaf.ebx,
        ecx: leaf.ecx, edx: leaf.edx, padding: (0, 0, 0))
    }
    try check(
      unsafe ckvm_set_cpuid(descriptor, entries, UInt32(entries.count)), "KVM_SET_CPUID2 for \(model.name)")
  }

  /// An ioctl that fills in a structure.
  private func get<T>(_ request: UInt, _ initial: T, _ name: String) throws(EngineError) -> T {
    var value = initial
    let result = unsafe withUnsafeMutablePointer(to: &value) { pointer in
      unsafe ckvm_ioctl_pointer(descriptor, request, pointer)
    }
    try check(result, name)
    return value
  }

  /// An ioctl that takes a structure.
  private func set<T>(_ request: UInt, _ value: T, _ name: String) throws(EngineError) {
    let result = unsafe withUnsafePointer(to: value) { pointer in
      unsafe ckvm_ioctl_pointer(descriptor, request, UnsafeMutableRawPointer(mutating: pointer))
    }
    try check(result, name)
  }

  func regs() throws(EngineError) -> kvm_regs { try get(CKVM_GET_REGS, kvm_regs(), "KVM_GET_REGS") }
  func setRegs(_ value: kvm_regs) throws(EngineError) { try set(CKVM_SET_REGS, value, "KVM_SET_REGS") }
  func sregs() throws(EngineError) -> kvm_sregs { try get(CKVM_GET_SREGS, kvm_sregs(), "KVM_GET_SREGS") }
  func setSregs(_ value: kvm_sregs) throws(EngineError) { try set(CKVM_SET_SREGS, value, "KVM_SET_SREGS") }
  func debugRegs() throws(EngineError) -> kvm_debugregs {
    try get(CKVM_GET_DEBUGREGS, kvm_debugregs(), "KVM_GET_DEBUGREGS")
  }
  func setDebugRegs(_ value: kvm_debugregs) throws(EngineError) {
    try set(CKVM_SET_DEBUGREGS, value, "KVM_SET_DEBUGREGS")
  }
  func events() throws(EngineError) -> kvm_vcpu_events {
    try get(CKVM_GET_VCPU_EVENTS, kvm_vcpu_events(), "KVM_GET_VCPU_EVENTS")
  }
  func setEvents(_ value: kvm_vcpu_events) throws(EngineError) {
    try set(CKVM_SET_VCPU_EVENTS, value, "KVM_SET_VCPU_EVENTS")
  }
  func xcrs() throws(EngineError) -> kvm_xcrs { try get(CKVM_GET_XCRS, kvm_xcrs(), "KVM_GET_XCRS") }
  func setXCRs(_ value: kvm_xcrs) throws(EngineError) { try set(CKVM_SET_XCRS, value, "KVM_SET_XCRS") }
  func setRunnable() throws(EngineError) {
    try set(CKVM_SET_MP_STATE, kvm_mp_state(mp_state: UInt32(KVM_MP_STATE_RUNNABLE)), "KVM_SET_MP_STATE")
  }

  /// KVM_GET_XSAVE (API 4.42): 4096 bytes in the standard format of XSAVE.
  func xsave() throws(EngineError) -> [UInt8] {
    var area = [UInt8](repeating: 0, count: 4096)
    try check(
      unsafe area.withUnsafeMutableBytes { unsafe ckvm_ioctl_pointer(descriptor, CKVM_GET_XSAVE, $0.baseAddress) },
      "KVM_GET_XSAVE")
    return area
  }

  func setXSAVE(_ area: [UInt8]) throws(EngineError) {
    precondition(area.count == 4096)
    var copy = area
    try check(
      unsafe copy.withUnsafeMutableBytes { unsafe ckvm_ioctl_pointer(descriptor, CKVM_SET_XSAVE, $0.baseAddress) },
      "KVM_SET_XSAVE")
  }

  /// KVM_GET_MSRS (API 4.18): a value for each of `indices`, `nil` from the first that this KVM does not have.
  func msrs(_ indices: [UInt32]) throws(EngineError) -> [UInt64?] {
    var values = [UInt64](repeating: 0, count: indices.count)
    let done = try check(
      unsafe ckvm_get_msrs(descriptor, indices, &values, UInt32(indices.count)), "KVM_GET_MSRS")
    return values.enumerated().map { $0.offset < Int(done) ? $0.element : nil }
  }

  /// KVM_SET_MSRS (API 4.19). Returns how many, in their order, were set.
  func setMSRs(_ indices: [UInt32], _ values: [UInt64]) throws(EngineError) -> Int {
    precondition(indices.count == values.count)
    return Int(
      try check(unsafe ckvm_set_msrs(descriptor, indices, values, UInt32(indices.count)), "KVM_SET_MSRS"))
  }

  /// KVM_SET_GUEST_DEBUG (API 4.87).
  /// `addresses`: DR0 to DR3; missing ones are 0.
  func setGuestDebug(control: UInt32, addresses: [UInt64] = [], dr7: UInt64 = 0) throws(EngineError) {
    let four = (addresses + [0, 0, 0, 0]).prefix(4)
    try check(
      unsafe ckvm_set_guest_debug(descriptor, control, Array(four), dr7), "KVM_SET_GUEST_DEBUG")
  }

  /// KVM_INTERRUPT (API 4.16).
  func interrupt(_ vector: UInt8) throws(EngineError) {
    var argument = kvm_interrupt(irq: UInt32(vector))
    try check(
      unsafe ckvm_ioctl_pointer(descriptor, CKVM_INTERRUPT, &argument), "KVM_INTERRUPT \(hex(vector))")
  }

  /// KVM_NMI (API 4.64).
  func nmi() throws(EngineError) { try check(ckvm_ioctl(descriptor, CKVM_NMI, 0), "KVM_NMI") }
}
