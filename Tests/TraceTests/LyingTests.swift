import Support
import Testing
import VMMCore

@testable import Trace

/// Traces whose checksums are right, and in which one place says something else than another.
@Suite struct LyingTests {
  let folder = TemporaryFolder()

  /// Opens and reads all of a changed trace; the error that comes of it.
  private func error(_ change: (inout TraceSurgery) -> Void) throws -> TraceError? {
    let path = folder.file("original")
    var random = SeededRandom(seed: 3)
    try writeTrace(path, random.events(60), flushEvery: 13)
    var surgery = TraceSurgery(contents(of: path))
    change(&surgery)
    surgery.number()
    return error(reading: surgery.assembled())
  }

  private func error(reading bytes: [UInt8]) -> TraceError? {
    store(bytes, in: folder.file("changed"))
    do throws(TraceError) {
      let reader = try TraceReader(path: folder.file("changed"))
      _ = try reader.initialMachine()
      var cursor = reader.makeCursor()
      while try cursor.next() != nil {}
    } catch { return error }
    return nil
  }

  private func isDamage(_ change: (inout TraceSurgery) -> Void) throws -> Bool {
    if case .damaged? = try error(change)?.kind { true } else { false }
  }

  @Test func anUnchangedTraceIsRead() throws { #expect(try error { _ in } == nil) }

  @Test func theIndexNamesWhatIsThere() throws {
    for entry in 0..<5 {
      let error = try error { surgery in
        let index = surgery.first(.index)
        // The offset of an entry is its third number.
        surgery.chunks[index].raw = changed(surgery.chunks[index].raw, number: 5 * entry + 2)
      }
      #expect(
        error?.description.contains("an index that names other chunks") == true,
        "entry \(entry): \(String(describing: error))")
    }
  }

  private func intact() throws -> [UInt8] {
    _ = try error { _ in }
    return contents(of: folder.file("original"))
  }

  /// One of the variable-length numbers of an index increased.
  private func changed(_ payload: [UInt8], number: Int) -> [UInt8] {
    var input = ByteReader(payload)
    var out = ByteWriter()
    var count = 0
    while let value = try? input.varint() {
      out.append(varint: value + (count == number ? 1 : 0))
      count += 1
    }
    return out.bytes
  }

  /// Whoever comes to the end of a recording does not read on, and hears all the same.
  @Test func theEndIsTheEnd() throws {
    let after = try error { surgery in
      let last = surgery.first(.index) - 1
      surgery.chunks[last].raw += [Opcode.nmi]
    }
    #expect(after?.description.contains("records after the end") == true)
    let count = try error { $0.chunks[$0.first(.closing)].raw[15] = 0x7f }
    #expect(count?.description.contains("names another number") == true)
    #expect(error(reading: try intact() + [0])?.description.contains("after the end of the trace") == true)
    let reader = try TraceReader(path: folder.file("changed"))
    var cursor = reader.makeCursor()
    #expect(throws: TraceError.self) { while let event = try cursor.next() { if case .end = event { break } } }
  }

  @Test func numbersOfEventsInHeaders() throws {
    #expect(try isDamage { $0.chunks[$0.first(.closing)].header.firstOrdinal += 1 })
    #expect(try isDamage { $0.chunks[$0.first(.index)].header.firstOrdinal -= 1 })
    #expect(try isDamage { $0.chunks[$0.first(.state)].header.firstOrdinal += 1 })
    #expect(try isDamage { $0.chunks[0].header.firstOrdinal += 1 })
  }

  @Test func timeDoesNotGoBack() throws {
    #expect(try error { $0.chunks[$0.first(.closing)].header.elapsed += 1 } == nil)
    #expect(try isDamage { $0.chunks[$0.first(.closing)].header.elapsed = 0 })
    #expect(try isDamage { $0.chunks[$0.first(.index)].header.elapsed += 1 })
  }

  @Test func flagsThatAKindCannotHave() throws {
    #expect(try isDamage { $0.chunks[$0.first(.events)].header.flags.insert(.optional) })
    #expect(try isDamage { $0.chunks[$0.first(.state)].header.flags.insert(.optional) })
  }

  @Test(arguments: [ChunkKind.image, .state, .closing].map(\.rawValue)) func nothingIsLeftOver(kind: UInt16) throws {
    #expect(try isDamage { $0.chunks[$0.first(ChunkKind(rawValue: kind))].raw += [0] })
  }

  @Test func registersHaveNoMoreBits() throws {
    // The selector of CS.
    #expect(try isDamage { $0.chunks[$0.first(.state)].raw[18 * 8 + 7] = 1 })
  }

  @Test(
    arguments: [
      [7, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0], [7, 7, 0, 0, 0, 0, 0, 0, 0], [7, 8, 0, 0, 0, 0, 0, 0, 0, 0], [9, 1, 0xff],
      [4, 26] + [UInt8](repeating: 0, count: 26), [4, 25, 9, 0, 0, 0, 2] + [UInt8](repeating: 0, count: 20),
      [4, 25, 9, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 19), [4, 25] + [UInt8](repeating: 0, count: 25),
      [6, 3, 0x61, 0x62, 0x63],
    ] as [[UInt8]]) func fieldsOfTheMachine(field: [UInt8]) throws
  {
    #expect(try isDamage { $0.chunks[0].raw += field })
  }

  @Test func noMoreLeavesThanACPUHas() throws {
    #expect(
      try isDamage { surgery in
        for leaf in 0..<UInt8(255) {
          surgery.chunks[0].raw += [4, 25, leaf, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 20)
        }
      })
  }

  // MARK: what records say of each other

  private func claims(_ events: [TraceEvent]) throws -> TraceError? {
    let path = folder.file("claims")
    try writeTrace(path, events)
    let reader = try TraceReader(path: path)
    return (try? reader.checkClaims()) == nil
      ? #expect(throws: TraceError.self) { try reader.checkClaims() } : nil
  }

  private func digest(_ instructions: UInt64) -> TraceEvent {
    .digest(StateDigest(cpu: 1, memory: 2, output: 3, instructions: instructions))
  }

  private func interrupt(after instructions: UInt64) -> TraceEvent {
    .delivery(.interrupt(vector: 32), at: .instructions(instructions, iterations: 0))
  }

  @Test func placesLieBetweenDigests() throws {
    #expect(try claims([digest(0), interrupt(after: 60), interrupt(after: 40), digest(100), digest(100)]) == nil)
    #expect(try claims([digest(0), interrupt(after: .max), digest(0)]) == nil)
    let far = try claims([digest(0), digest(10), interrupt(after: 60), interrupt(after: 31), digest(100)])
    #expect(far?.description.contains("91 instructions behind a digest, and the next digest is 90") == true)
    #expect(try claims([interrupt(after: .max), interrupt(after: .max), digest(100)]) != nil)
    #expect(try claims([digest(100), digest(99)]) != nil)
  }

  @Test func theMarkLiesBehindTheLastDigest() throws {
    func mark(_ count: UInt64, place: UInt64) -> TraceEvent {
      .mark(Mark(at: .instructions(place, iterations: 0), instructions: count))
    }
    #expect(try claims([digest(10), interrupt(after: 3), mark(20, place: 7)]) == nil)
    #expect(try claims([digest(10), interrupt(after: 3), mark(19, place: 7)]) != nil)
    #expect(try claims([digest(10), mark(9, place: 0)]) != nil)
    #expect(try claims([digest(10), mark(9, place: 0), interrupt(after: 3)]) == nil)
  }

  /// The complaint names the record, not the digest that shows it.
  @Test func theFarPlaceIsNamed() throws {
    let far = try claims([interrupt(after: 1), interrupt(after: 100), interrupt(after: 1), digest(50)])
    #expect(far?.description.contains("byte 3 of the chunk") == true)
  }

  @Test func timesOfPlacesAscend() throws {
    func place(_ time: UInt64) -> TraceEvent {
      .delivery(.nmi, at: .fingerprint(Fingerprint(rip: 1, cpu: 2, memory: 3, registers: .zero, time: time)))
    }
    // `writeTrace` closes a trace after as many nanoseconds as there are events.
    #expect(try claims([place(0), place(2), place(2)]) == nil)
    #expect(try claims([place(2), place(1), place(2)])?.description.contains("a place after 1 ns") == true)
    #expect(try claims([place(0), place(4), place(4)])?.description.contains("a place after 4 ns") == true)
  }

  @Test func aDetailBelongsToADigest() throws {
    let detail = TraceEvent.detail(StateDetail(words: [1], pageShift: 0, ranges: []))
    #expect(try claims([detail, digest(1)]) == nil)
    #expect(try claims([detail, .end(.reset)]) != nil)
  }

  @Test func somethingMustBeClaimed() throws {
    let path = folder.file("nothing")
    try writeTrace(path, [digest(0)], close: true)
    let closed = try TraceReader(path: path)
    #expect(throws: TraceError.self) { try closed.checkEnding(events: 0, end: nil) }
    #expect((try? closed.checkEnding(events: 0, end: .reset)) != nil)
  }
}
