import Foundation
import Testing

@testable import GDBStub

/// A client on a real socket.
private final class SocketClient {
  private let number: Int32

  init(port: UInt16) throws {
    number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let status = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(status == 0)
  }

  deinit { close(number) }

  func say(_ packet: String) { send(Array(packet.utf8).framed) }

  func send(_ bytes: [UInt8]) { _ = unsafe Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

  /// Reads until a frame is complete; `nil` when the server hangs up.
  func hear() -> String? {
    var parser = PacketParser()
    var byte: UInt8 = 0
    while unsafe read(number, &byte, 1) == 1 {
      guard case .packet(let payload)? = parser.take(byte) else { continue }
      let text = String(decoding: payload, as: UTF8.self)
      // On a busy machine a run may be long enough to tell how it gets on.
      if text == "OK" || !text.hasPrefix("O") { return text }
    }
    return nil
  }
}

@Suite struct ServerTests {
  @Test func aSecondClientIsRefusedPolitely() throws {
    let served = try ServedTarget()
    let first = try SocketClient(port: try #require(served.port))
    first.say("qC")
    #expect(first.hear() == "QC1")
    let second = try SocketClient(port: try #require(served.port))
    second.say("qSupported")
    #expect(second.hear() == "E.chronovisor: another debugger is attached to this replay")
    #expect(second.hear() == nil)
    first.say("qC")
    #expect(first.hear() == "QC1", "the first one does not notice")
    first.say("D")
    #expect(first.hear() == "OK")
    #expect(served.wait() == .detached)
  }

  @Test func alsoWhileTheMachineRuns() throws {
    let served = try ServedTarget(code: FakeProgram.endless)
    let first = try SocketClient(port: try #require(served.port))
    first.say("c")
    served.target.waitUntilItRuns()
    let second = try SocketClient(port: try #require(served.port))
    #expect(second.hear()?.hasPrefix("E.chronovisor") == true)
    first.send([3])
    #expect(first.hear()?.hasPrefix("T02") == true)
    first.say("k")
    #expect(served.wait() == .killed)
  }

  @Test func manyRefusedClients() throws {
    let served = try ServedTarget()
    let first = try SocketClient(port: try #require(served.port))
    first.say("qC")
    #expect(first.hear() == "QC1")
    for _ in 0..<40 {
      #expect(try SocketClient(port: try #require(served.port)).hear()?.hasPrefix("E.chronovisor") == true)
    }
    first.say("qC")
    #expect(first.hear() == "QC1")
    #expect(served.stop() == .closed)
  }

  @Test func keepsListening() throws {
    let served = try ServedTarget(options: Server.Options(keepsListening: true))
    for packet in ["D", "k", ""] {
      let client = try SocketClient(port: try #require(served.port))
      client.say("s")
      #expect(client.hear()?.hasPrefix("T05") == true)
      if !packet.isEmpty { client.say(packet) }
    }
    #expect(served.stop() == .closed)
    #expect(served.events.filter { $0 == "a debugger connected" }.count == 3)
  }

  @Test func aClientThatHangsUpEndsTheServer() throws {
    let served = try ServedTarget()
    do {
      let client = try SocketClient(port: try #require(served.port))
      client.send(Array("$m0,".utf8))
    }
    #expect(served.wait() == .closed)
    #expect(served.events == ["a debugger connected", "the debugger went away"])
  }

  @Test func stoppedInTheMiddleOfARun() throws {
    let served = try ServedTarget(code: FakeProgram.endless)
    let client = try SocketClient(port: try #require(served.port))
    client.say("c")
    served.target.waitUntilItRuns()
    #expect(served.stop() == .closed)
    #expect(client.hear() == nil)
  }

  @Test func stoppedBeforeAnyClient() throws {
    #expect(try ServedTarget().stop() == .closed)
  }

  @Test func listensOnLoopbackUnlessTold() throws {
    let quiet = try Server(.tcp(host: Endpoint.loopback, port: 0))
    #expect(quiet.name == "127.0.0.1:\(try #require(quiet.port))")
    #expect(quiet.notices == [])
    let told = try Server(.tcp(host: "0.0.0.0", port: 0))
    #expect(told.notices.count == 1)
    #expect(told.notices[0].hasPrefix("warning: \(told.name) can be reached from other machines"))
  }

  @Test func aPortThatIsTaken() throws {
    let server = try Server(.tcp(host: Endpoint.loopback, port: 0))
    #expect {
      try Server(.tcp(host: Endpoint.loopback, port: try #require(server.port)))
    } throws: { error in
      "\(error)".contains("Address already in use")
    }
    #expect(throws: ServerError.self) { try Server(.tcp(host: "no.such.host.invalid", port: 0)) }
  }

  @Test func unixSockets() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("socket")
    do {
      let server = try Server(.unix(path: path))
      #expect(server.name == path)
      #expect(server.port == nil)
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      #expect(throws: ServerError.self, "another server lives there") { try Server(.unix(path: path)) }
    }
    #expect(!FileManager.default.fileExists(atPath: path))
    let file = try directory.write("precious", to: "file")
    #expect(throws: ServerError.self) { try Server(.unix(path: file)) }
    #expect(FileManager.default.fileExists(atPath: file))
    #expect(throws: ServerError.self) { try Server(.unix(path: String(repeating: "x", count: 200))) }
  }

  @Test func aSocketThatADeadServerLeftIsReplaced() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("socket")
    let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    let address = try #require(SocketAddress(path: path))
    #expect(address.bind(Descriptor(left)))
    #expect(FileManager.default.fileExists(atPath: path))
    #expect(try Server(.unix(path: path)).name == path)
  }

  @Test func pipes() throws {
    let (toStub, fromStub) = (Pipe(), Pipe())
    let stop = try StopPipe()
    let transport = DescriptorTransport(
      input: Descriptor(toStub.fileHandleForReading.fileDescriptor, isOwned: false),
      output: Descriptor(fromStub.fileHandleForWriting.fileDescriptor, isOwned: false), listener: nil, stop: stop.reader
    )
    toStub.fileHandleForWriting.write(Data(Array("$qC#b4$D#44".utf8)))
    #expect(Session(target: FakeTarget(), transport: transport).run() == .detached)
    try fromStub.fileHandleForWriting.close()
    #expect(String(decoding: fromStub.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) == "+$QC1#c5+$OK#9a")
  }

  @Test(
    arguments: [
      ("1234", .tcp(host: "127.0.0.1", port: 1234)), (":1234", .tcp(host: "127.0.0.1", port: 1234)),
      ("localhost:0", .tcp(host: "localhost", port: 0)), ("[::1]:5", .tcp(host: "::1", port: 5)),
      ("*:5", .tcp(host: "*", port: 5)), ("/tmp/socket", .unix(path: "/tmp/socket")),
      ("unix:socket", .unix(path: "socket")), ("./socket", .unix(path: "./socket")), ("-", .standardIO),
    ] as [(String, Endpoint)])
  func endpoints(_ text: String, _ endpoint: Endpoint) {
    #expect(Endpoint(text) == endpoint)
  }

  @Test(arguments: ["", "x", "65536", "host:", "host:x", "::1:5", "unix:", "-1"])
  func notEndpoints(_ text: String) {
    #expect(Endpoint(text) == nil)
  }
}
