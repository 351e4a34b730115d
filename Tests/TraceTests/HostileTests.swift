import Support
import Testing
import VMMCore

@testable import Trace

/// Files whose checksums are right and whose contents are not.
@Suite struct HostileTests {
  let folder = TemporaryFolder()

  private func outcome(
    _ original: Original, keepSizes: Bool = false, keepNumbers: Bool = false, _ change: (inout TraceSurgery) -> Void
  ) -> Outcome {
    var surgery = TraceSurgery(original.bytes)
    surgery.removeIndex()
    change(&surgery)
    if !keepNumbers { surgery.number() }
    store(surgery.assembled(keepSizes: keepSizes), in: folder.file("hostile"))
    return original.outcome(of: folder.file("hostile"))
  }

  private func isDamage(_ outcome: Outcome) -> Bool {
    if case .reported(.damaged, _) = outcome { return true }
    return false
  }

  @Test func missingIndexIsRebuilt() throws {
    let original = try Original(in: folder)
    #expect(outcome(original) { _ in } == .whole)
    store(original.bytes, in: folder.file("whole"))
    let rebuilt = try TraceReader(path: folder.file("hostile")).eventChunks
    #expect(try TraceReader(path: folder.file("whole")).eventChunks == rebuilt)
  }

  @Test func wrongIndexIsNotBelieved() throws {
    let original = try Original(in: folder)
    let sound = TraceSurgery(original.bytes)
    let index = sound.first(.index)
    for position in sound.chunks[index].raw.indices {
      var surgery = sound
      surgery.chunks[index].raw[position] &+= 1
      store(surgery.assembled(), in: folder.file("index"))
      let outcome = original.outcome(of: folder.file("index"))
      if outcome != .whole && !isDamage(outcome) && outcome != .reported(.unsupported, events: 0) {
        Issue.record("byte \(position): \(outcome)")
      }
    }
  }

  @Test func unknownOptionalChunksAreSkipped() throws {
    let original = try Original(in: folder)
    for place in 1..<TraceSurgery(original.bytes).chunks.count {
      let result = outcome(original) { surgery in
        guard place <= surgery.chunks.count - 1 else { return }
        var chunk = surgery.chunks[place - 1]
        chunk.header.kind = ChunkKind(rawValue: 999)
        chunk.header.flags.insert(.optional)
        chunk.raw = [1, 2, 3]
        surgery.chunks.insert(chunk, at: place)
      }
      #expect(result == .whole, "in place \(place)")
    }
  }

  @Test func whatALaterVersionWroteIsRefused() throws {
    let original = try Original(in: folder)
    let refused = Outcome.reported(.unsupported, events: 0)
    #expect(outcome(original) { $0.chunks[$0.first(.events)].header.kind = ChunkKind(rawValue: 9) } == refused)
    #expect(outcome(original) { $0.chunks[$0.first(.events)].header.vcpu = 1 } == refused)
    #expect(outcome(original) { $0.chunks[$0.first(.events)].header.flags.insert(.init(rawValue: 4)) } == refused)
  }

  @Test func unknownFieldsOfTheMachine() throws {
    let original = try Original(in: folder)
    #expect(outcome(original) { $0.chunks[0].raw += [100, 2, 1, 1] } == .whole)
    #expect(isDamage(outcome(original) { $0.chunks[0].raw += [200, 2, 1, 1] }))
  }

  @Test func sizesAreBounded() throws {
    let original = try Original(in: folder)
    func sizes(_ stored: UInt32, _ raw: UInt32, _ flags: ChunkFlags) -> Outcome {
      outcome(original, keepSizes: true) { surgery in
        let chunk = surgery.first(.events)
        surgery.chunks[chunk].header.storedSize = stored
        surgery.chunks[chunk].header.rawSize = raw
        surgery.chunks[chunk].header.flags = flags
      }
    }
    #expect(isDamage(sizes(.max, .max, [])))
    #expect(isDamage(sizes(20, .max, .compressed)))
    #expect(isDamage(sizes(20, 4 << 20, .compressed)))
    #expect(isDamage(sizes(20, 20, .compressed)))
    #expect(isDamage(sizes(20, 21, [])))
    #expect(isDamage(sizes(0, 0, [])))
    // A length that leads beyond the end of the file, and is what the writer wrote: the file was cut off there.
    #expect(sizes(4 << 20, 4 << 20, []) == .incomplete(events: 0))
  }

  @Test func chunksOutOfPlace() throws {
    let original = try Original(in: folder)
    let count = TraceSurgery(original.bytes).chunks.count - 1
    for first in 0..<count {
      for second in 0..<count where second != first {
        let moved = outcome(original) { surgery in
          let chunk = surgery.chunks.remove(at: first)
          surgery.chunks.insert(chunk, at: second)
        }
        if case .wrong(let what) = moved, what != "another guest" { Issue.record("\(first) to \(second): \(what)") }
        #expect(moved != .whole || first == second, "\(first) to \(second)")
        let doubled = outcome(original) { $0.chunks.insert($0.chunks[first], at: second) }
        if case .wrong(let what) = doubled, what != "another guest" { Issue.record("\(first) twice: \(what)") }
        #expect(doubled != .whole || isHarmless(first, original))
      }
      let unnumbered = outcome(original, keepNumbers: true) { $0.chunks.remove(at: first) }
      #expect(unnumbered != .whole)
      if case .wrong(let what) = unnumbered { Issue.record("without \(first): \(what)") }
    }
  }

  /// A second closing chunk and the like change nothing that is read.
  private func isHarmless(_ chunk: Int, _ original: Original) -> Bool {
    TraceSurgery(original.bytes).chunks[chunk].header.kind == .index
  }

  @Test func ordinalsMustFollow() throws {
    let original = try Original(in: folder)
    #expect(isDamage(outcome(original) { $0.chunks[$0.first(.events) + 1].header.firstOrdinal += 1 }))
    #expect(isDamage(outcome(original) { $0.chunks[$0.first(.events) + 1].header.firstOrdinal = 0 }))
    #expect(isDamage(outcome(original) { $0.chunks[$0.first(.closing)].raw[8] &+= 1 }))
  }

  @Test func nothingFollowsTheEnd() throws {
    let original = try Original(in: folder)
    #expect(isDamage(outcome(original) { $0.chunks[$0.first(.closing) - 1].raw += [Opcode.interrupt, 3] }))
    store(original.bytes + [0], in: folder.file("longer"))
    #expect(isDamage(original.outcome(of: folder.file("longer"))))
  }

  /// Contents that were changed under right checksums read as something or are reported, and nothing else happens.
  @Test(arguments: 1...5 as ClosedRange<UInt64>)
  func changedContents(seed: UInt64) throws {
    let original = try Original(in: folder, seed: seed)
    var random = SeededRandom(seed: seed)
    for _ in 0..<2000 {
      let result = outcome(original) { surgery in
        let chunk = random.below(surgery.chunks.count)
        if random.below(3) == 0 {
          let position = random.below(surgery.chunks[chunk].payload.count)
          surgery.chunks[chunk].payload[position] = UInt8(truncatingIfNeeded: random.next())
        } else {
          random.change(&surgery.chunks[chunk].raw)
        }
      }
      if case .reported(.file, _) = result { Issue.record("seed \(seed): \(result)") }
    }
  }

  @Test func imagesAreBounded() throws {
    let original = try Original(in: folder)
    func image(size: UInt64) -> Outcome {
      outcome(original) { surgery in
        var record = ImageRecord(GuestImage(role: .kernel, name: "kernel.elf", bytes: []))
        record.size = size
        surgery.chunks[surgery.first(.image)].raw = record.encoded()
      }
    }
    #expect(isDamage(image(size: .max)))
    #expect(isDamage(image(size: 1 << 30)))
    #expect(isDamage(image(size: 99)))
  }

  @Test func placementsAreBounded() throws {
    let original = try Original(in: folder)
    func placements(_ all: [Placement]) -> Outcome {
      outcome(original) { surgery in
        var out = ByteWriter()
        for placement in all { PlacementCoding.append(placement, to: &out) }
        surgery.chunks[surgery.first(.placements)].raw = out.bytes
      }
    }
    func image(_ index: Int, _ offset: Int, _ count: Int) -> Placement {
      Placement(address: GuestPhysicalAddress(0), source: .image(index: index, offset: offset, count: count))
    }
    #expect(isDamage(placements([image(2, 0, 1)])))
    #expect(isDamage(placements([image(0, 0, 101)])))
    #expect(isDamage(placements([image(0, 100, 1)])))
    #expect(isDamage(placements([image(0, .max, .max)])))
    #expect(isDamage(placements(Array(repeating: image(0, 0, 100), count: TraceFormat.maximumPlacements + 1))))
  }
}

extension SeededRandom {
  /// Changes a payload; never makes it empty.
  fileprivate mutating func change(_ bytes: inout [UInt8]) {
    let position = below(bytes.count)
    switch below(4) {
    case 0: bytes[position] = UInt8(truncatingIfNeeded: next())
    case 1: bytes[position] ^= 1 << UInt8(below(8))
    case 2: bytes.insert(contentsOf: self.bytes(1 + below(12)), at: position)
    default: if bytes.count > 1 { bytes.remove(at: position) }
    }
  }
}
