internal import CKVM
internal import Glibc
internal import GuestMemory
internal import VMMCore

/// A virtual machine without in-kernel interrupt controllers (KVM API 4.2): its memory slots and its MSR filter.
@safe
final class VM {
  let system: System
  let descriptor: Int32
  let memory: GuestMemory
  /// MSRs outside `nativeMSRs` exit to us.
  let filtersMSRs: Bool
  /// Room for the dirty log of the largest region, 64 pages a word.
  private let dirtyLog: UnsafeMutableBufferPointer<UInt64>

  /// Where Intel's VMX keeps a TSS and an identity map for real mode, in the device hole (API 4.10, 4.41).
  private static let identityMap: UInt64 = 0xfffb_c000
  private static let taskState: UInt64 = 0xfffb_d000

  /// KVM_CREATE_VM, with one slot for each region of `memory`, its dirty pages logged.
  init(_ system: System, memory: GuestMemory) throws(EngineError) {
    self.system = system
    self.memory = memory
    var result: Int32
    // A signal may interrupt the creation.
    repeat { result = ckvm_ioctl(system.descriptor, CKVM_CREATE_VM, 0) } while result == -EINTR
    let words = memory.regions.map { ($0.pageCount + 63) / 64 }.max() ?? 1
    unsafe dirtyLog = .allocate(capacity: words)
    unsafe dirtyLog.initialize(repeating: 0)
    descriptor = result
    filtersMSRs = system.has(KVM_CAP_X86_USER_SPACE_MSR) && system.has(KVM_CAP_X86_MSR_FILTER)
    try check(result, "KVM_CREATE_VM", hint: "another hypervisor may hold the CPU; or use --engine software")
    // Only VMX without unrestricted guests needs these two; others may refuse them.
    var address = VM.identityMap
    _ = unsafe ckvm_ioctl_pointer(descriptor, CKVM_SET_IDENTITY_MAP_ADDR, &address)
    _ = ckvm_ioctl(descriptor, CKVM_SET_TSS_ADDR, UInt(VM.taskState))
    try setSlots()
    if filtersMSRs { try setFilter() }
  }

  deinit {
    unsafe dirtyLog.deallocate()
    if descriptor >= 0 { close(descriptor) }
  }

  /// KVM_SET_USER_MEMORY_REGION (API 4.35) for every region.
  private func setSlots() throws(EngineError) {
    for (slot, region) in memory.regions.enumerated() {
      var argument = unsafe kvm_userspace_memory_region(
        slot: UInt32(slot), flags: UInt32(KVM_MEM_LOG_DIRTY_PAGES), guest_phys_addr: region.start.rawValue,
        memory_size: UInt64(region.size), userspace_addr: UInt64(UInt(bitPattern: region.host)))
      try check(
        unsafe ckvm_ioctl_pointer(descriptor, CKVM_SET_USER_MEMORY_REGION, &argument),
        "KVM_SET_USER_MEMORY_REGION of \(region.size >> 20) MiB at \(region.start)")
    }
  }

  /// Takes the slots out and puts them back: KVM forgets every translation it derived from guest memory. Pages dirty
  /// in KVM's log are forgotten as well: collect them first.
  func remakeSlots() throws(EngineError) {
    for slot in memory.regions.indices {
      var argument = kvm_userspace_memory_region(
        slot: UInt32(slot), flags: 0, guest_phys_addr: 0, memory_size: 0, userspace_addr: 0)
      try check(
        unsafe ckvm_ioctl_pointer(descriptor, CKVM_SET_USER_MEMORY_REGION, &argument),
        "KVM_SET_USER_MEMORY_REGION of nothing")
    }
    try setSlots()
  }

  /// The MSRs that `CPUState` holds, as runs: APIC base, SYSENTER, PAT, EFER to SFMASK, FS base to TSC_AUX. They
  /// stay native.
  static let nativeMSRs: [(base: UInt32, count: UInt32)] = [
    (0x1b, 1), (0x174, 3), (0x277, 1), (0xc000_0080, 5), (0xc000_0100, 4),
  ]

  private func setFilter() throws(EngineError) {
    try check(
      ckvm_enable_vm_capability(
        descriptor, UInt32(KVM_CAP_X86_USER_SPACE_MSR), UInt64(KVM_MSR_EXIT_REASON_FILTER)),
      "KVM_ENABLE_CAP of KVM_CAP_X86_USER_SPACE_MSR")
    let allowed = VM.nativeMSRs.map { ckvm_msr_range(base: $0.base, count: $0.count) }
    try check(
      unsafe ckvm_set_msr_filter(descriptor, allowed, UInt32(allowed.count)), "KVM_X86_SET_MSR_FILTER")
  }

  /// KVM_GET_DIRTY_LOG (API 4.8): moves what the guest wrote since the last call into the memory's dirty set.
  func collectDirtyPages() throws(EngineError) {
    for (slot, region) in memory.regions.enumerated() {
      try check(
        unsafe ckvm_get_dirty_log(descriptor, UInt32(slot), dirtyLog.baseAddress!),
        "KVM_GET_DIRTY_LOG of slot \(slot)")
      for word in 0..<((region.pageCount + 63) / 64) where unsafe dirtyLog[word] != 0 {
        let bits = unsafe dirtyLog[word]
        // Slots begin at a multiple of 64 pages, so that their words are words of the dirty set.
        if region.firstPageIndex % 64 == 0 {
          unsafe memory.dirty[region.firstPageIndex / 64 + word] |= bits
        } else {
          for bit in 0..<64 where bits >> UInt64(bit) & 1 != 0 {
            memory.markDirty(region.firstPageIndex + word * 64 + bit)
          }
        }
      }
    }
  }
}
