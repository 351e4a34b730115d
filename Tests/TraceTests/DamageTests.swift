import Support
import Testing

@testable import Trace

/// Whatever happens to a file, nothing but what was recorded comes out of it without a word.
@Suite struct DamageTests {
  let folder = TemporaryFolder()

  @Test(arguments: [0x01, 0x80, 0xff] as [UInt8])
  func everyByteChanged(by mask: UInt8) throws {
    let original = try Original(in: folder)
    let path = folder.file("damaged")
    let end = original.bytes.count
    let index = TraceSurgery(original.bytes).chunks.first { $0.header.kind == .index }!.offset
    for position in original.bytes.indices {
      var bytes = original.bytes
      bytes[position] ^= mask
      store(bytes, in: path)
      let outcome = original.outcome(of: path)
      switch outcome {
      case .reported(.damaged(let offset), _):
        #expect(offset <= UInt64(position), "offset \(position): the damage is said to be behind it")
      case .reported(.notATrace, _): #expect(position < 8)
      case .reported(.unsupported, _): #expect((8..<12).contains(position))
      case .whole: #expect((index..<end).contains(position), "offset \(position) does not matter")
      default: Issue.record("offset \(position): \(outcome)")
      }
    }
  }

  @Test func everyLength() throws {
    let original = try Original(in: folder)
    let path = folder.file("cut")
    let surgery = TraceSurgery(original.bytes)
    let guestEnd = surgery.chunks[surgery.first(.state) + 1].offset
    let eventChunks = surgery.chunks.filter { $0.header.kind == .events }
    for length in 0..<original.bytes.count {
      store([UInt8](original.bytes.prefix(length)), in: path)
      let whole = eventChunks.count {
        $0.offset + TraceFormat.chunkHeaderSize + $0.payload.count <= length
      }
      let expected: Outcome
      if length == 0 {
        expected = .reported(.notATrace, events: 0)
      } else if length < guestEnd {
        expected = .reported(.unusable, events: 0)
      } else {
        expected = .incomplete(events: min(13 * whole, original.events.count))
      }
      #expect(original.outcome(of: path) == expected, "\(length) bytes")
    }
  }

  @Test(arguments: 1...10 as ClosedRange<UInt64>)
  func thousandMutations(seed: UInt64) throws {
    let original = try Original(in: folder, seed: seed)
    let path = folder.file("mutated")
    var random = SeededRandom(seed: seed &* 1000)
    for round in 0..<1000 {
      var bytes = original.bytes
      for _ in 0...random.below(3) { random.mutate(&bytes) }
      store(bytes, in: path)
      if case .wrong(let what) = original.outcome(of: path) {
        Issue.record("seed \(seed), round \(round): \(what)")
      }
    }
  }

  @Test func anotherTracesChunk() throws {
    let original = try Original(in: folder)
    var surgery = TraceSurgery(original.bytes)
    let events = surgery.first(.events)
    // The chunk stays where it is; the file around it is another one.
    surgery.chunks[0].raw = surgery.chunks[0].raw + [200 - 100, 0]
    let other = surgery.assembled()
    let offset = TraceSurgery(other).chunks[events].offset
    let size = TraceFormat.chunkHeaderSize + surgery.chunks[events].payload.count
    let from = surgery.chunks[events].offset
    let mixed = other[..<offset] + original.bytes[from..<(from + size)] + other[(offset + size)...]
    store([UInt8](mixed), in: folder.file("mixed"))
    #expect(
      original.outcome(of: folder.file("mixed")) == .reported(.damaged(offset: UInt64(offset)), events: 0))
  }

  @Test(arguments: ["", "short", "a text that is longer than the header of a trace is", "\u{89}CHV"])
  func otherFiles(text: String) throws {
    let path = folder.file("other")
    store([UInt8](text.utf8), in: path)
    let error = #expect(throws: TraceError.self) { try TraceReader(path: path) }
    #expect(error?.kind == .notATrace)
    #expect(error?.description.contains(path) == true)
  }

  @Test(arguments: ["/", "/dev/zero", "/dev/null", "/nowhere/to/be/found"])
  func whatIsNoFile(path: String) throws {
    let error = #expect(throws: TraceError.self) { try TraceReader(path: path) }
    #expect(error?.kind == .file)
  }
}

extension SeededRandom {
  /// Changes some bytes in one of the ways in which files go bad.
  fileprivate mutating func mutate(_ bytes: inout [UInt8]) {
    guard bytes.count > 1 else { return }
    let start = below(bytes.count)
    let end = start + below(min(bytes.count - start, below(2) == 0 ? 8 : 400) + 1)
    switch below(7) {
    case 0: bytes[start] = UInt8(truncatingIfNeeded: next())
    case 1: bytes[start] ^= 1 << UInt8(below(8))
    case 2: for index in start..<end { bytes[index] = UInt8(truncatingIfNeeded: next()) }
    case 3: for index in start..<end { bytes[index] = 0 }
    case 4: bytes.removeSubrange(start..<end)
    case 5: bytes.insert(contentsOf: bytes[start..<end], at: below(bytes.count))
    default: bytes.insert(contentsOf: self.bytes(below(100)), at: start)
    }
  }
}
