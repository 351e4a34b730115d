import Machine
import Replay
import Support
import Testing
import Trace
import VMMCore

/// The guest whose x87 error comes as IRQ 13.
@Suite struct X87ErrorGuestTests {
  let folder = TemporaryFolder()

  @Test func comesOnceAndReplays() throws {
    let path = folder.file("ferr.trace")
    #expect(try Recorder.record("ferr", to: path, engine: .software).end == .powerOff)
    var text: [UInt8] = []
    #expect(try TraceReplayer(path: path, engine: nil).replay { text.append($0) }.end == .powerOff)
    #expect(String(decoding: text, as: UTF8.self) == "1 IRQ 13\n")
    // A debugger's way through it is the same.
    _ = try Timeline(path: path).finish()
  }
}
