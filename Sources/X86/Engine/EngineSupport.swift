internal import Synchronization
internal import VMMCore

// What the engine asks of the CPU between instructions.
extension CPU {
  var isHalted: Bool { s[Slot.halted] != 0 && s[Slot.eventKind] == 0 && !isNMIDue }

  private var isNMIDue: Bool { s[Slot.nmiPending] != 0 && s[Slot.nmiMasked] == 0 }

  /// An external interrupt would be accepted before the next instruction.
  var isInterruptible: Bool {
    s[Slot.systemFlags] & RFlags.interrupt != 0 && s[Slot.interruptShadow] == 0 && s[Slot.eventKind] == 0
      && s[Slot.nmiPending] & ~s[Slot.nmiMasked] == 0
  }

  /// An NMI for the next boundary where it is not masked.
  func requestNMI() {
    if s[Slot.nmiMasked] != 0 || s[Slot.eventKind] != 0 || s[Slot.interruptShadow] & 2 != 0 {
      s[Slot.nmiPending] = 1
    } else {
      pendingEvent = PendingEvent(kind: .nmi, vector: ExceptionVector.nmi)
      s[Slot.halted] = 0
    }
  }

  /// Goes on with the instruction, or the delivery, whose interaction was answered.
  func resume() -> RunEnd? { s[Slot.eventKind] != 0 ? settleEvents() : step() }
}

extension CPUCore {
  /// Makes `run` end soon. Any thread: the word is the only one that another thread touches.
  func kick() { cpu.kicks.pointee.store(1, ordering: .relaxed) }
}

extension CPU {
  /// Forgets a kick that has come; one that comes meanwhile is not lost.
  func takeKick() -> Bool { kicks.pointee.exchange(0, ordering: .relaxed) != 0 }

  fileprivate var kicks: UnsafeMutablePointer<Atomic<UInt64>> {
    UnsafeMutableRawPointer(s + Slot.kick).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
