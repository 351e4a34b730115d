internal import VMMCore

/// `printf` as far as gdb lets the agent use it: integers, characters, pointers and strings in guest memory. The format
/// is what the user typed between the quotes, with its backslashes.
enum AgentFormat {
  /// Bytes of one expanded text, and of a string argument.
  static let maximumOutput = 4096
  static let maximumString = 1024
  static let maximumWidth = 256

  static func expand(
    _ format: [UInt8], _ arguments: [UInt64], in environment: any AgentEnvironment
  ) throws(AgentError) -> [UInt8] {
    var output: [UInt8] = []
    var reader = PacketReader(format)
    var next = 0
    while let byte = reader.take() {
      if byte == UInt8(ascii: "\\") {
        output.append(try escape(&reader))
      } else if byte != UInt8(ascii: "%") {
        output.append(byte)
      } else if reader.skip("%") {
        output.append(UInt8(ascii: "%"))
      } else {
        let directive = try Directive(&reader)
        guard next < arguments.count else { throw .badFormat }
        output += directive.text(of: arguments[next], in: environment)
        next += 1
      }
      guard output.count <= maximumOutput else { throw .badFormat }
    }
    return output
  }

  /// The character that follows a backslash: as in C, and `\e`.
  private static func escape(_ reader: inout PacketReader) throws(AgentError) -> UInt8 {
    switch reader.take() {
    case UInt8(ascii: "n"): return 10
    case UInt8(ascii: "t"): return 9
    case UInt8(ascii: "r"): return 13
    case UInt8(ascii: "a"): return 7
    case UInt8(ascii: "e"): return 27
    case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit):
      var value = digit & 7
      for _ in 0..<2 {
        guard let next = reader.peek, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(next) else { break }
        _ = reader.take()
        value = value << 3 | next & 7
      }
      return value
    case let other?: return other
    case nil: throw .badFormat
    }
  }

  /// `%[flags][width][.precision][size]conversion`
  private struct Directive {
    var isLeft = false
    var isZeroPadded = false
    var isAlternate = false
    var width = 0
    var precision: Int?
    /// Bytes of the argument that count.
    var size = 4
    var conversion: UInt8

    init(_ reader: inout PacketReader) throws(AgentError) {
      conversion = 0
      takeFlags(&reader)
      width = Directive.number(&reader)
      if reader.skip(".") { precision = Directive.number(&reader) }
      takeSize(&reader)
      guard let byte = reader.take() else { throw .badFormat }
      conversion = byte
    }

    private mutating func takeFlags(_ reader: inout PacketReader) {
      while true {
        if reader.skip("-") {
          isLeft = true
        } else if reader.skip("0") {
          isZeroPadded = true
        } else if reader.skip("#") {
          isAlternate = true
        } else if !reader.skip("+"), !reader.skip(" "), !reader.skip("'") {
          return
        }
      }
    }

    private mutating func takeSize(_ reader: inout PacketReader) {
      while true {
        if reader.skip("l") || reader.skip("z") || reader.skip("j") || reader.skip("t") {
          size = 8
        } else if reader.skip("h") {
          size = size == 2 ? 1 : 2
        } else {
          return
        }
      }
    }

    private static func number(_ reader: inout PacketReader) -> Int {
      var value = 0
      while let byte = reader.peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        value = min(maximumWidth, value * 10 + Int(byte - UInt8(ascii: "0")))
        _ = reader.take()
      }
      return value
    }

    func text(of argument: UInt64, in environment: any AgentEnvironment) -> [UInt8] {
      let bits = UInt64(8 * size)
      let unsigned = bits < 64 ? argument & (1 &<< bits &- 1) : argument
      switch conversion {
      case UInt8(ascii: "d"), UInt8(ascii: "i"):
        let shift = Int64(64 - bits)
        return number(String((Int64(bitPattern: argument) &<< shift) &>> shift))
      case UInt8(ascii: "u"): return number(String(unsigned))
      case UInt8(ascii: "x"): return number((isAlternate ? "0x" : "") + String(unsigned, radix: 16))
      case UInt8(ascii: "X"):
        return number((isAlternate ? "0X" : "") + String(unsigned, radix: 16, uppercase: true))
      case UInt8(ascii: "o"): return number((isAlternate ? "0" : "") + String(unsigned, radix: 8))
      case UInt8(ascii: "p"): return padded(Array("0x".utf8) + Array(String(argument, radix: 16).utf8))
      case UInt8(ascii: "c"): return padded([UInt8(truncatingIfNeeded: argument)])
      case UInt8(ascii: "s"): return padded(string(at: argument, in: environment))
      default: return Array("<unsupported %>".utf8)
      }
    }

    private func number(_ digits: String) -> [UInt8] {
      guard isZeroPadded, !isLeft else { return padded(Array(digits.utf8)) }
      var text = Array(digits.utf8)
      let sign = text.first == UInt8(ascii: "-") ? 1 : 0
      text.insert(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, width - text.count)), at: sign)
      return text
    }

    private func padded(_ text: [UInt8]) -> [UInt8] {
      let padding = [UInt8](repeating: UInt8(ascii: " "), count: max(0, width - text.count))
      return isLeft ? text + padding : padding + text
    }

    private func string(at address: UInt64, in environment: any AgentEnvironment) -> [UInt8] {
      var text: [UInt8] = []
      let limit = min(precision ?? maximumString, maximumString)
      while text.count < limit {
        guard let byte = environment.agentMemory(at: address &+ UInt64(text.count), count: 1) else {
          return text + Array("<no memory>".utf8)
        }
        if byte == 0 { break }
        text.append(UInt8(truncatingIfNeeded: byte))
      }
      return text
    }
  }
}
