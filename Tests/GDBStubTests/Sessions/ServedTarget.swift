import Foundation

@testable import GDBStub

/// A fake target behind a real server on a thread of its own.
final class ServedTarget: @unchecked Sendable {
  let name: String
  let port: UInt16?
  /// Only used by the server's thread once that runs, but for `waitUntilItRuns`.
  let target: FakeTarget
  /// Only used by its thread once that runs.
  private let server: Server
  private let stopper: Server.Stopper
  private let finished = DispatchSemaphore(value: 0)
  /// Only read after `finished`.
  private var end: SessionEnd?
  private let lock = NSLock()
  private var lines: [String] = []

  init(
    _ endpoint: Endpoint = .tcp(host: Endpoint.loopback, port: 0), options: Server.Options = Server.Options(),
    code: [UInt8] = FakeProgram.code
  ) throws {
    target = FakeTarget(code: code)
    let server = try Server(endpoint, options: options)
    name = server.name
    port = server.port
    stopper = server.stopper
    self.server = server
    Thread { [self] in
      end = self.server.serve(target) { event in lock.withLock { lines.append(event) } }
      finished.signal()
    }.start()
  }

  var events: [String] { lock.withLock { lines } }

  /// Waits until the server has ended on its own.
  func wait() -> SessionEnd? {
    finished.wait()
    finished.signal()
    return end
  }

  func stop() -> SessionEnd? {
    stopper.stop()
    return wait()
  }
}
