internal import Foundation
internal import Synchronization

@testable internal import X86

/// Kicks an engine out of code that does not end: a REP instruction with a count of 2^60 in page tables that it has
/// filled with entries for every address is one instruction, and no limit of instructions ends it.
final class EndlessCode: Sendable {
  /// Which run is under way; 0 for none.
  private let run = Atomic<UInt64>(0)
  private let isOver = Atomic<Bool>(false)

  /// - Parameter seconds: how long a run may take. Whoever is kicked only goes uncompared, so the host's load cannot
  ///   make a test fail.
  init(of engine: SoftwareEngine, seconds: Double = 5) {
    nonisolated(unsafe) let engine = engine
    Thread.detachNewThread { [self] in
      var seen: UInt64 = 0
      while !isOver.load(ordering: .relaxed) {
        Thread.sleep(forTimeInterval: seconds)
        let now = run.load(ordering: .relaxed)
        if now == seen && now != 0 { unsafe engine.kick() }
        seen = now
      }
    }
  }

  func begin(_ number: UInt64) { run.store(number, ordering: .relaxed) }

  func end() { isOver.store(true, ordering: .relaxed) }
}
