internal import CKVM
internal import Glibc
public import VMMCore

extension KVMEngine {
  public func run(_ limit: RunLimit) throws(EngineError) -> VCPUExit {
    steppedInstructions = 0
    stoppedAtWindow = false
    if let exit = nextOfLastExit() { return exit }
    if halted {
      if unsafe ckvm_kick_consume(kickState) != 0 { return .kicked }
      return .failed("the vCPU is halted and no interrupt was injected")
    }
    switch limit {
    case .free:
      if armed != .off { try arm(.off) }
      return try runFreely()
    case .instructions(let count): return try runStepping(count)
    case .until(let rip, _): return try runUntil(rip)
    }
  }

  /// What can be handed out without entering KVM.
  @inline(__always)
  private func nextOfLastExit() -> VCPUExit? {
    if let exit = queued {
      queued = nil
      return exit
    }
    if case .awaitingAnswer = stage { preconditionFailure("run before the last interaction was answered") }
    if batch.hasMore {
      batch.index += 1
      return currentUnit()
    }
    return nil
  }

  private func runFreely() throws(EngineError) -> VCPUExit {
    while true {
      switch try enter() {
      case .exit(let exit): return exit
      case .debug, .nothing: continue
      }
    }
  }

  /// What one KVM_RUN came back with.
  enum Entry {
    case exit(VCPUExit)
    /// KVM_EXIT_DEBUG: a step is done or a breakpoint was met.
    case debug
    /// Nothing that concerns anybody: enter again.
    case nothing
  }

  /// KVM_RUN, once, to its exit or a kick.
  func enter() throws(EngineError) -> Entry {
    try adoptThread()
    let atOnce = unsafe ckvm_kick_is_due(kickState) != 0
    if atOnce { unsafe ckvm_set_immediate_exit(vcpu.run, 1) } else { hasEvent = false }
    if !halts.isEmpty { try plantHalts() }
    let result = ckvm_run(vcpu.descriptor)
    if atOnce { unsafe ckvm_set_immediate_exit(vcpu.run, 0) }
    if !halts.isEmpty { liftHalts() }
    let entry = try decode(result)
    return try timestampExit(entry).map { .exit($0) } ?? entry
  }

  /// The interaction, when a breakpoint or a HLT in its place has come before a watched RDTSC.
  private func timestampExit(_ entry: Entry) throws(EngineError) -> VCPUExit? {
    switch entry {
    case .debug where armed != .step: try timestampExit()
    case .exit(.halt) where !halts.isEmpty: try timestampHalt()
    default: nil
    }
  }

  /// Completes what is pending in KVM without running the guest further. `nil` when that is all that happened.
  func enterToComplete() throws(EngineError) -> Entry? {
    unsafe ckvm_set_immediate_exit(vcpu.run, 1)
    let result = ckvm_run(vcpu.descriptor)
    unsafe ckvm_set_immediate_exit(vcpu.run, 0)
    if result == -EINTR {
      noteExit()
      return nil
    }
    return try decode(result)
  }

  private func noteExit() {
    stage = .settled
    flagsAreStale = false
    registersAreSynced = syncsRegisters
    specialAreSynced = syncsSpecial
  }

  private func decode(_ result: Int32) throws(EngineError) -> Entry {
    noteExit()
    if result == -EINTR { return unsafe ckvm_kick_consume(kickState) != 0 ? .exit(.kicked) : .nothing }
    if result == -EAGAIN { return .nothing }
    if result < 0 { throw .host("KVM_RUN (exit reason \(unsafe ckvm_exit_reason(vcpu.run)))", result) }
    return unsafe decodeExit(Int32(bitPattern: ckvm_exit_reason(vcpu.run)))
  }

  private func decodeExit(_ reason: Int32) -> Entry {
    switch reason {
    case KVM_EXIT_IO:
      batch = unsafe Batch(io: ckvm_io(vcpu.run), index: 0)
      return .exit(currentUnit())
    case KVM_EXIT_MMIO: return .exit(mmioExit())
    case KVM_EXIT_X86_RDMSR:
      stage = .awaitingAnswer(.msrRead)
      return .exit(.msrRead(index: unsafe ckvm_msr_index(vcpu.run)))
    case KVM_EXIT_X86_WRMSR:
      stage = .awaitingAnswer(.msrWrite)
      return .exit(.msrWrite(index: unsafe ckvm_msr_index(vcpu.run), value: unsafe ckvm_msr_data(vcpu.run)))
    case KVM_EXIT_HLT:
      halted = true
      return .exit(.halt)
    case KVM_EXIT_DEBUG: return .debug
    case KVM_EXIT_SET_TPR: return stopsAtLowerTaskPriority && armed == .off ? .exit(.kicked) : .nothing
    case KVM_EXIT_IRQ_WINDOW_OPEN where stopsWhenInterruptible:
      stoppedAtWindow = true
      return .exit(.kicked)
    // A window that nobody asked for, a signal that was no kick.
    case KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_INTR: return .nothing
    case KVM_EXIT_SHUTDOWN: return .exit(.shutdown)
    default: return .exit(failure(reason))
    }
  }

  /// The unit of the port exit that `batch` stands at.
  private func currentUnit() -> VCPUExit {
    let io = unsafe batch.io
    if unsafe io.is_out != 0 {
      stage = .answered
      let value = unsafe withUnsafePointer(to: io) { unsafe ckvm_io_unit($0, batch.index) }
      return unsafe .portWrite(port: io.port, size: io.size, value: value)
    }
    stage = .awaitingAnswer(.port)
    return unsafe .portRead(port: io.port, size: io.size)
  }

  private func mmioExit() -> VCPUExit {
    let mmio = unsafe ckvm_mmio(vcpu.run)
    let address = GuestPhysicalAddress(mmio.address)
    let size = UInt8(truncatingIfNeeded: min(mmio.size, 8))
    if mmio.is_write != 0 {
      stage = .answered
      return .mmioWrite(address: address, size: size, value: mmio.value)
    }
    stage = .awaitingAnswer(.mmio)
    return .mmioRead(address: address, size: size)
  }
}

// Answers.
extension KVMEngine {
  public func reply(_ value: UInt64) {
    guard case .awaitingAnswer(let asked) = stage else { preconditionFailure("reply to nothing") }
    switch asked {
    case .port:
      unsafe withUnsafePointer(to: batch.io) {
        unsafe ckvm_set_io_unit($0, batch.index, UInt32(truncatingIfNeeded: value))
      }
    case .mmio: unsafe ckvm_set_mmio(vcpu.run, value)
    case .msrRead: unsafe ckvm_set_msr(vcpu.run, value, 0)
    case .timestamp: unsafe ckvm_complete_rdtsc(vcpu.run, value)
    case .msrWrite: preconditionFailure("reply to a WRMSR")
    }
    stage = .answered
  }

  public func replyFault() { answerMSR(error: 1) }
  public func acknowledge() { answerMSR(error: 0) }

  private func answerMSR(error: UInt8) {
    switch stage {
    case .awaitingAnswer(.msrRead) where error != 0, .awaitingAnswer(.msrWrite):
      unsafe ckvm_set_msr(vcpu.run, 0, error)
      stage = .answered
    default: preconditionFailure("an answer that the last interaction does not take")
    }
  }

  public func settle() throws(EngineError) -> Bool {
    if let exit = queued { return !exit.isInteraction }
    if batch.hasMore { return false }
    switch stage {
    case .settled: return true
    case .awaitingAnswer: return false
    case .answered:
      switch try enterToComplete() {
      // A step that ended with the interaction's instruction is no news.
      case nil, .debug, .nothing: return true
      case .exit(.kicked):
        // Only KVM_RUN without an exit consumes kicks, and that is `nil` here.
        preconditionFailure("a kick while completing")
      case .exit(let exit):
        queued = exit
        return !exit.isInteraction
      }
    }
  }
}
