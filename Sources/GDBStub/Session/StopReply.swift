internal import VMMCore

// MARK: - Stop replies (gdb manual, E.3)

extension Session {
  private static let interruptSignal: UInt8 = 2
  private static let trapSignal: UInt8 = 5

  /// `T SIGNAL thread:1; register:value; … reason;` or `W STATUS`.
  func stopReply(_ report: StopReport) -> Reply {
    if case .exited(let status) = report {
      var payload = Array("W".utf8)
      payload.append(hexByte: status)
      return .payload(payload)
    }
    var payload = Array("T".utf8)
    payload.append(hexByte: report == .interrupted ? Session.interruptSignal : Session.trapSignal)
    payload.append(text: "thread:1;")
    let source = try? registerSource()
    if let source { appendExpedited(source, to: &payload) }
    payload.append(text: reason(report, at: source?.state.linearRIP))
    return .payload(payload)
  }

  private func appendExpedited(_ source: RegisterSource, to payload: inout [UInt8]) {
    for number in layout.expedited {
      payload.append(hexByte: UInt8(truncatingIfNeeded: number))
      payload.append(UInt8(ascii: ":"))
      payload += layout.registers[number].text(from: source)
      payload.append(UInt8(ascii: ";"))
    }
  }

  /// Reasons that the client did not say it understands are left out.
  private func reason(_ report: StopReport, at address: UInt64?) -> String {
    switch report {
    case .breakpoint:
      // gdb goes on where it finds no breakpoint of its own: its program counter cannot hold this one's address.
      if let address, layout.programCounterBits < 64, address >> 32 != 0 { return "" }
      switch address.flatMap({ breakpoints.kind(at: $0) }) {
      case .hardware: return client.hwbreak ? "hwbreak:;" : ""
      case .software: return client.swbreak ? "swbreak:;" : ""
      case nil: return ""
      }
    case .watchpoint(let point, let address):
      let name =
        switch point.kind {
        case .write: "watch"
        case .read: "rwatch"
        case .access: "awatch"
        }
      return "\(name):\(String(address, radix: 16));"
    case .begin: return "replaylog:begin;"
    case .end, .noFurther: return "replaylog:end;"
    case .step, .interrupted, .exited: return ""
    }
  }
}
