internal import CKVM
internal import GuestMemory
internal import VMMCore

// Single steps set RFLAGS.TF behind the guest's back, and what an event pushes onto the stack must not show it.
extension KVMEngine {
  /// Takes the vCPU into the handler of an event that is about to be delivered, before the handler's first
  /// instruction: by a breakpoint there, since a step would push the trap flag. An exit when something else came
  /// first.
  func deliverEvent() throws(EngineError) -> VCPUExit? {
    guard hasEvent, let vector = try deliverableVector() else { return nil }
    let sregs = try specialRegisters()
    guard let handler = handlerAddress(vector, sregs), PageWalk(handler, sregs, in: memory) != nil else { return nil }
    try arm(.breakpoint(handler))
    return try runToBreakpoint()
  }

  /// The event that comes before the next instruction.
  private func deliverableVector() throws(EngineError) -> UInt8? {
    let events = try vcpu.events()
    if events.exception.injected != 0 { return events.exception.nr }
    if events.nmi.injected != 0 || (events.nmi.pending != 0 && events.nmi.masked == 0) { return 2 }
    return events.interrupt.injected != 0 ? events.interrupt.nr : nil
  }

  /// Where the gate of a vector leads to, in long mode (Intel SDM vol. 3, 7.14.1).
  func handlerAddress(_ vector: UInt8, _ sregs: kvm_sregs) -> UInt64? {
    guard sregs.efer >> 10 & 1 != 0 else { return nil }
    let gate = sregs.idt.base &+ UInt64(vector) &* 16
    guard let low = load(gate, sregs), let high = load(gate &+ 8, sregs), low >> 47 & 1 != 0 else { return nil }
    return low & 0xffff | (low >> 48) << 16 | high << 32
  }

  /// A 64-bit word at a linear address; `nil` when it is not mapped as one piece of RAM.
  func load(_ linear: UInt64, _ sregs: kvm_sregs) -> UInt64? {
    guard linear & 0xfff <= 0xff8, let walk = PageWalk(linear, sregs, in: memory) else { return nil }
    return memory.load(walk.address, as: UInt64.self)
  }

  /// After a step that did not end behind its instruction: if the instruction faulted, takes the trap flag out of
  /// the frame that the fault pushed. The frame is on the stack in use, or where the TSS says (long mode; Intel SDM
  /// vol. 3, 7.14.2).
  func removeTrapFlag(pushedAt before: kvm_regs) throws(EngineError) {
    let sregs = try specialRegisters()
    guard sregs.efer >> 10 & 1 != 0 else { return }
    var stacks = [before.rsp & ~15]
    // RSP0, then IST1 to IST7.
    for offset in [UInt64(4)] + stride(from: 36, through: 84, by: 8) {
      if let top = load(sregs.tr.base &+ offset, sregs), top != 0 { stacks.append(top & ~15) }
    }
    for top in stacks {
      // SS, RSP, RFLAGS, CS and RIP lie below the top in this order.
      guard load(top &- 40, sregs) == before.rip, load(top &- 16, sregs) == before.rsp,
        let flags = load(top &- 24, sregs), flags & 1 << 8 != 0, before.rflags & 1 << 8 == 0,
        let walk = PageWalk(top &- 24, sregs, in: memory)
      else { continue }
      memory.store(flags & ~(1 << 8), at: walk.address)
    }
  }
}
