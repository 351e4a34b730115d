import Foundation
import Support
import Testing

/// Whatever a debugger does, the replay stays the recorded run: random commands, and then to the end, where everything
/// is verified. Reproduce a failure, or go further, with
///
///     CHRONOVISOR_LONG=1 CHRONOVISOR_SEED=N Tools/test --filter WalkTests
@Suite struct WalkTests {
  @Test(arguments: ["race", "tasks", "faults"]) func onBareMetal(guest: String) throws {
    let folder = TemporaryFolder()
    let trace = BareMetal.software.record(guest, commandLine: guest == "faults" ? "40" : "4", in: folder)
    try walk(trace, in: folder, commands: LongTests.areOn ? 5000 : 300)
  }

  @Test(.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)")) func onLinux() throws {
    try walk(LinuxGuests.session.path, in: TemporaryFolder(), commands: LongTests.areOn ? 5000 : 40)
  }

  private func walk(_ trace: String, in folder: TemporaryFolder, commands: Int) throws {
    let socket = folder.file("socket")
    let served = try ServedReplay(trace, ["--socket", socket])
    defer { served.stop() }
    print("seed \(LongTests.seed): \(commands) commands on \(trace)")
    var walk = try #require(RandomWalk(socket: socket, seed: LongTests.seed))
    let end = walk.stateAtTheEnd()
    for number in 0..<commands {
      guard walk.step() else {
        Issue.record("command \(number) of seed \(LongTests.seed): \(walk.log.suffix(20).joined(separator: "\n"))")
        return
      }
    }
    #expect(walk.stateAtTheEnd() == end, "seed \(LongTests.seed)")
    _ = walk.client.monitor("seek begin")
    _ = walk.client.ask("s")
    #expect(walk.stateAtTheEnd() == end, "seed \(LongTests.seed), from the begin")
  }
}

/// Random commands of a debugger on a replay.
struct RandomWalk {
  private(set) var client: ProtocolClient
  /// What was asked and answered.
  private(set) var log: [String] = []
  private let socket: String
  private var random: SeededRandom
  /// Addresses that the guest has executed, and accessed, on the way.
  private var code: [String] = []
  private var data: [String] = []
  private var points: [String] = []
  private var isDiverted = false

  init?(socket: String, seed: UInt64) {
    guard let client = ProtocolClient(path: socket) else { return nil }
    self.client = client
    self.socket = socket
    random = SeededRandom(seed: seed)
  }

  /// Runs to the end, where the replay has been compared with the recording all the way; all registers and a sum of
  /// memory there.
  mutating func stateAtTheEnd() -> [String] {
    for point in points { _ = client.ask("z" + point) }
    points = []
    // An interrupt that came too late is forgotten with it.
    _ = client.monitor("when")
    if isDiverted {
      _ = client.monitor("diversion end")
      _ = client.ask("s")
      isDiverted = false
    }
    let stop = client.ask("c")
    #expect(stop.contains("replaylog:end"), "\(stop)")
    _ = client.ask("Qqemu.PhyMemMode:1")
    let sum = client.ask("qCRC:100000,100000")
    _ = client.ask("Qqemu.PhyMemMode:0")
    return [client.ask("g"), sum]
  }

  /// One command; false when the answer is not one.
  mutating func step() -> Bool {
    switch random.below(isDiverted ? 12 : 20) {
    case 0: return look("m\(pick(data)),\(hex(1 + random.next() % 300))", "")
    case 1: return look("g", "")
    case 2: return look("p\(hex(random.next() % 60))", "")
    case 3: return look("m\(hex(random.next())),8", "")
    case 4: return look("qSearch:memory:\(pick(data));1000;ab", "")
    case 5: return setPoint()
    case 6: return removePoint()
    case 7: return diversion()
    case 8, 9, 10: return move("s")
    case 11: return move("vCont;r\(pick(code)),\(hex((UInt64(pick(code), radix: 16) ?? 0) &+ 64)):1")
    case 12, 13, 14: return move("bs")
    case 15: return move("c")
    case 16: return move("bc")
    case 17: return interrupted()
    case 18: return seek()
    default: return random.below(3) == 0 ? reconnect() : checkpoint()
    }
  }

  private mutating func look(_ packet: String, _ start: String) -> Bool {
    let answer = client.ask(packet)
    log.append("\(packet) -> \(answer.prefix(100))")
    return !answer.isEmpty && answer.hasPrefix(start) && !answer.contains("diverged")
  }

  /// Anything that ends with a stop; remembers where it was.
  private mutating func move(_ packet: String) -> Bool {
    guard !points.isEmpty || !["c", "bc"].contains(packet) || isDiverted == false else { return true }
    let answer = client.ask(packet)
    return stopped(packet, answer)
  }

  private mutating func stopped(_ what: String, _ answer: String) -> Bool {
    log.append("\(what) -> \(answer)")
    // A diversion may come to an end of its own, with a reason.
    guard answer.hasPrefix("T") || isDiverted && answer.hasPrefix("E.") else { return false }
    for (name, number) in [("code", "10"), ("stack", "07")] {
      guard let piece = answer.split(separator: ";").first(where: { $0.hasPrefix(number + ":") }) else { continue }
      let address = littleEndian(piece.dropFirst(3))
      if name == "code" { code = code.suffix(50) + [address] } else { data = data.suffix(50) + [address] }
    }
    return true
  }

  private mutating func setPoint() -> Bool {
    guard points.count < 6 else { return removePoint() }
    let point =
      random.below(3) == 0
      ? "\(2 + random.below(3)),\(pick(data)),\(1 << random.below(4))" : "\(random.below(2)),\(pick(code)),1"
    points.append(point)
    return look("Z" + point, "OK")
  }

  private mutating func removePoint() -> Bool {
    guard !points.isEmpty else { return setPoint() }
    return look("z" + points.remove(at: random.below(points.count)), "OK")
  }

  private mutating func diversion() -> Bool {
    if isDiverted {
      isDiverted = false
      _ = client.monitor("diversion end")
      return move("s")
    }
    guard random.below(4) == 0 else { return look("M\(pick(data)),1:55", "E") }
    _ = client.monitor("diversion begin")
    isDiverted = true
    // The address may be one of another place, and not mapped here.
    return look("M\(pick(data)),1:55", "") && look("P0=7700000000000000", "OK")
  }

  private mutating func interrupted() -> Bool {
    let packet = random.below(2) == 0 ? "c" : "bc"
    client.say(packet)
    client.interrupt()
    return stopped("\(packet) and Ctrl-C", client.hear())
  }

  private mutating func seek() -> Bool {
    let place = ["begin", "end", "\(random.below(100))%", "instruction \(random.below(3000))"][random.below(4)]
    _ = client.monitor("seek " + place)
    let answer = client.ask("s")
    return stopped("seek " + place, answer)
  }

  private mutating func checkpoint() -> Bool {
    let command = ["checkpoint", "restart \(1 + random.below(8))", "back", "forward", "when", "delete 1"]
    let chosen = command[random.below(command.count)]
    let answer = client.monitor(chosen)
    log.append("\(chosen) -> \(answer)")
    return chosen.hasPrefix("restart") || chosen == "back" || chosen == "forward" ? move("s") : !answer.isEmpty
  }

  private mutating func reconnect() -> Bool {
    switch random.below(3) {
    case 0: _ = client.ask("D")
    case 1: client.say("k")
    default: client.say("m0,")
    }
    client.hangUp()
    points = []
    log.append("reconnect")
    // The server needs a moment to see that the last one is gone.
    for _ in 0..<300_000 {
      if let next = ProtocolClient(path: socket), next.ask("?").hasPrefix("T") {
        client = next
        return true
      }
      usleep(1000)
    }
    return false
  }

  private mutating func pick(_ addresses: [String]) -> String {
    addresses.isEmpty ? "200000" : addresses[random.below(addresses.count)]
  }

  private func hex(_ number: UInt64) -> String { String(number, radix: 16) }

  /// A register's bytes in a stop reply as a number.
  private func littleEndian(_ digits: Substring) -> String {
    var bytes: [Substring] = []
    var rest = digits
    while !rest.isEmpty {
      bytes.append(rest.prefix(2))
      rest = rest.dropFirst(2)
    }
    return bytes.reversed().joined()
  }
}
