import Foundation
import Testing

@testable import GDBStub

/// One run of the real gdb on a fake target: commands in, everything that it printed out.
struct GDBSession {
  var output: String
  var end: SessionEnd?

  init(
    _ commands: [String], symbols: Bool = true, code: [UInt8] = FakeProgram.code, interrupts: Int = 0,
    endpoint: (TemporaryDirectory) -> Endpoint = { _ in .tcp(host: Endpoint.loopback, port: 0) }
  ) throws {
    let directory = try TemporaryDirectory()
    let served = try ServedTarget(endpoint(directory), code: code)
    let program = symbols ? try GDBSession.assemble(in: directory) : nil
    let script = try directory.write(
      GDBScript.session(target: served.name, symbols: program.map { .init(wide: $0, narrow: $0) }), to: "script.gdb")
    let gdb = try #require(Tool.gdb)
    // A command that fails ends a batch: each one goes by its own -ex.
    let arguments = ["-nx", "-q", "-batch", "-x", script] + commands.flatMap { ["-ex", $0] }
    output = try GDBStubTests.output(of: gdb, arguments) { process in
      for _ in 0..<interrupts {
        served.target.waitUntilItRuns()
        process.interrupt()
      }
    }
    end = served.stop()
  }

  /// The fake guest with symbols and line numbers; `nil` where there is no assembler.
  private static func assemble(in directory: TemporaryDirectory) throws -> String? {
    guard let assembler = Tool.assembler, let linker = Tool.linker else { return nil }
    let source = try directory.write(FakeProgram.source, to: "guest.s")
    let (object, program) = (directory.path("guest.o"), directory.path("guest.elf"))
    let said = try GDBStubTests.output(of: assembler, ["-g", "-o", object, source])
    let linked = try GDBStubTests.output(of: linker, ["-Ttext=0x1000", "-e", "_start", "-o", program, object])
    #expect(said + linked == "")
    return program
  }
}
