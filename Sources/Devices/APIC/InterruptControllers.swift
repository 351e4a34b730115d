/// All interrupt controllers of a PC, wired: two 8259A, an I/O APIC and the local APIC of the only processor.
public final class InterruptControllers {
  public let pic: DualPIC
  public let ioapic: IOAPIC
  public let apic: LocalAPIC

  /// - Parameter nmi: takes the NMIs that the APICs send.
  public init(nmi: @escaping () -> Void) {
    // Each APIC sends to the other: the box breaks the ring.
    let box = Box()
    let apic = LocalAPIC(nmi: nmi, endOfInterrupt: { vector in box.ioapic?.endOfInterrupt(vector) })
    let ioapic = IOAPIC(send: { message in apic.deliver(message) })
    box.ioapic = ioapic
    // The 8259A's output goes to LINT0 and to pin 0 of the I/O APIC.
    pic = DualPIC(
      output: InterruptLine { level in
        apic.setPin(0, level)
        ioapic.setPin(0, level)
      })
    self.ioapic = ioapic
    self.apic = apic
  }

  private final class Box {
    weak var ioapic: IOAPIC?
  }

  /// The pin of the I/O APIC that an IRQ is wired to: the timer's is 2, the others are their numbers.
  public static func pin(ofIRQ number: UInt8) -> Int { number == 0 ? 2 : Int(number) }

  /// A line for a device to drive, IRQ 0 to 15.
  public func line(_ number: UInt8) -> InterruptLine {
    InterruptLine { [pic, ioapic] level in
      pic.setLine(number, level)
      ioapic.setPin(InterruptControllers.pin(ofIRQ: number), level)
    }
  }

  /// An interrupt waits for the CPU. Requests of the local APIC go before those of the 8259A.
  public var hasInterrupt: Bool { apic.hasInterrupt || pic.hasInterrupt && passesExternalInterrupts }

  /// Interrupts of the 8259A reach the CPU, by LINT0 or by pin 0 of the I/O APIC.
  private var passesExternalInterrupts: Bool {
    apic.passesExternalInterrupts || ioapic.externalMessage.map { apic.accepts($0) } ?? false
  }

  /// An interrupt of the local APIC waits for a lower task priority.
  public var isHeldBackByTaskPriority: Bool { apic.isHeldBackByTaskPriority }

  /// The CPU takes the interrupt: its vector.
  public func acknowledge() -> UInt8 {
    apic.hasInterrupt || !passesExternalInterrupts ? apic.acknowledge() : pic.acknowledge()
  }
}
