import Replay
import Support
import Testing
import Trace
import VMMCore

/// Whatever happens to a trace's bytes: a replay of it is the recorded one, ends early and says so, or is refused.
@Suite(.enabled(if: kvmAvailable, "needs /dev/kvm")) struct DamageTests {
  let folder = TemporaryFolder()

  /// What verification makes of a file. Anything else than these is a failure of the test.
  enum Outcome: Equatable {
    case exact(StateDigest)
    case refused
  }

  private func outcome(of path: String) throws -> Outcome {
    do {
      return .exact(try TraceReplayer(path: path, engine: nil).replay { _ in }.final)
    } catch let error as TraceError {
      #expect(error.isDataError, "\(error)")
      #expect(!error.description.isEmpty)
      return .refused
    }
  }

  /// How many of the possible changes are tried: all of them when asked for, otherwise a spread of them.
  private var stride: Int { LongTests.areOn ? 1 : 17 }

  @Test func everyFlippedByteIsFound() throws {
    let original = folder.file("original.trace")
    try Recorder.record("hello", to: original)
    let bytes = bytesOfFile(original)
    let whole = try outcome(of: original)
    let copy = folder.file("flipped.trace")
    var harmless = 0
    for index in Swift.stride(from: 0, to: bytes.count, by: stride) {
      var flipped = bytes
      flipped[index] ^= 1 << UInt8(index % 8)
      writeFile(copy, flipped)
      let result = try outcome(of: copy)
      if result == whole { harmless += 1 } else { #expect(result == .refused, "byte \(index)") }
    }
    // Only the index, which a reader can do without, may be changed without harm.
    #expect(harmless < bytes.count / 10)
  }

  @Test func everyTruncationEndsEarlyOrIsRefused() throws {
    let original = folder.file("original.trace")
    try Recorder.record("ticker", to: original, commandLine: "3")
    let bytes = bytesOfFile(original)
    let copy = folder.file("short.trace")
    for count in Swift.stride(from: 0, to: bytes.count, by: stride) {
      writeFile(copy, Array(bytes[..<count]))
      _ = try outcome(of: copy)
    }
  }

  @Test func randomMutationsAreFoundOrHarmless() throws {
    let original = folder.file("original.trace")
    try Recorder.record("hello", to: original)
    let bytes = bytesOfFile(original)
    let whole = try outcome(of: original)
    let copy = folder.file("mutated.trace")
    var random = SeededRandom(seed: LongTests.seed)
    for round in 0..<(LongTests.areOn ? 10_000 : 300) {
      var mutated = bytes
      for _ in 0...random.below(4) { random.mutate(&mutated) }
      writeFile(copy, mutated)
      let result = try outcome(of: copy)
      if case .exact(let digest) = result, mutated.count >= bytes.count, .exact(digest) != whole {
        Issue.record("round \(round) of seed \(LongTests.seed) replays to another state without a word")
      }
    }
  }
}

extension SeededRandom {
  /// One change of a random kind: bits, bytes, a piece moved, removed or doubled.
  mutating func mutate(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    let at = below(bytes.count)
    let length = min(1 + below(64), bytes.count - at)
    switch below(6) {
    case 0: bytes[at] ^= 1 << UInt8(below(8))
    case 1: bytes[at] = UInt8(truncatingIfNeeded: next())
    case 2: for index in at..<(at + length) { bytes[index] = UInt8(truncatingIfNeeded: next()) }
    case 3: bytes.removeSubrange(at..<(at + length))
    case 4: bytes.insert(contentsOf: bytes[at..<(at + length)], at: below(bytes.count))
    default: for index in at..<(at + length) { bytes[index] = 0 }
    }
  }
}
