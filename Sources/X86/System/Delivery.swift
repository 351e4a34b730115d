internal import VMMCore

extension CPU {
  /// Delivers an exception or interrupt through the IDT. RIP is what the frame shall hold.
  func deliver(_ event: PendingEvent) -> DeliveryEnd { .shutdown }
}
