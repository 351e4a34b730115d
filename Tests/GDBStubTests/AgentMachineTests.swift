import Testing
import VMMCore

@testable import GDBStub

/// Registers n -> 100 n, memory where each byte is its address's low byte below 0x1000.
private final class Environment: AgentEnvironment {
  var printed = ""
  func agentRegister(_ number: Int) -> UInt64? { number < 10 ? UInt64(100 * number) : nil }
  func agentMemory(at address: UInt64, count: Int) -> UInt64? {
    guard address < 0x1000 else { return nil }
    return (0..<count).reversed().reduce(0) { $0 << 8 | (address + UInt64($1)) & 0xff }
  }
  func agentPrint(_ format: [UInt8], _ arguments: [UInt64]) throws(AgentError) {
    printed += String(decoding: try AgentFormat.expand(format, arguments, in: self), as: UTF8.self)
  }
}

private func run(_ hex: String, in environment: Environment = Environment()) -> Result<UInt64, AgentError> {
  var reader = PacketReader(hex.filter { $0 != " " })
  guard let code = try? reader.hexBytes(), let expression = AgentExpression(code) else {
    return .failure(.badFormat)
  }
  do {
    var machine = AgentMachine(in: environment)
    return .success(try machine.evaluate(expression))
  } catch {
    return .failure(error)
  }
}

/// Two 64-bit constants and an operation.
private func binary(_ operation: String, _ left: Int64, _ right: Int64) -> Result<UInt64, AgentError> {
  func constant(_ value: Int64) -> String {
    let digits = String(UInt64(bitPattern: value), radix: 16)
    return "25" + String(repeating: "0", count: 16 - digits.count) + digits
  }
  return run(constant(left) + constant(right) + operation + "27")
}

@Suite struct AgentMachineTests {
  @Test(
    arguments: [
      ("02", 7, 5, 12), ("02", .max, 1, .min), ("03", 5, 7, -2), ("04", -3, 5, -15), ("04", .max, 2, -2),
      ("05", -7, 2, -3), ("05", .min, -1, .min), ("06", -1, 2, .max), ("07", -7, 2, -1), ("07", .min, -1, 0),
      ("08", -1, 10, 5), ("09", 1, 63, .min), ("09", 1, 64, 0), ("09", 1, -1, 0), ("0a", -8, 1, -4),
      ("0a", -8, 200, -1),
      ("0b", -1, 63, 1), ("0b", -1, 64, 0), ("0f", 12, 10, 8), ("10", 12, 10, 14), ("11", 12, 10, 6), ("13", 5, 5, 1),
      ("13", 5, 6, 0), ("14", -1, 0, 1), ("14", 0, -1, 0), ("14", 3, 3, 0), ("15", -1, 0, 0), ("15", 0, -1, 1),
    ] as [(String, Int64, Int64, Int64)])
  func binaryOperations(_ operation: String, _ left: Int64, _ right: Int64, _ expected: Int64) {
    #expect(binary(operation, left, right) == .success(UInt64(bitPattern: expected)))
  }

  @Test(arguments: ["05", "06", "07", "08"])
  func divisionByZero(_ operation: String) {
    #expect(binary(operation, 5, 0) == .failure(.divisionByZero))
  }

  @Test(
    arguments: [
      ("22ff 27", 0xff), ("23 1234 27", 0x1234), ("24 12345678 27", 0x1234_5678),
      ("25 0123456789abcdef 27", 0x0123_4567_89ab_cdef), ("2205 0e 27", 0), ("2200 0e 27", 1), ("2200 12 27", .max),
      ("22ff 1608 27", .max), ("227f 1608 27", 0x7f), ("22ff 1640 27", 0xff), ("22ff 1600 27", 0xff),
      ("25 0123456789abcdef 2a10 27", 0xcdef), ("25 0123456789abcdef 2a40 27", 0x0123_4567_89ab_cdef),
      ("22ff 2a00 27", 0), ("26 0003 27", 300),
      ("2210 17 27", 0x10), ("2210 18 27", 0x1110), ("2210 19 27", 0x1312_1110), ("2210 1a 27", 0x1716_1514_1312_1110),
      ("2203 28 02 27", 6), ("2203 2204 29 27", 3), ("2203 2205 2b 03 27", 2),
      ("2201 2202 2203 3202 27", 1), ("2201 2202 2203 3200 27", 3),
      // 1 2 3 becomes 3 1 2.
      ("2201 2202 2203 33 27", 2), ("2201 2202 2203 33 29 27", 1), ("2201 2202 2203 33 29 29 27", 3),
      // if 1 goto 8: 5 else 9
      ("2201 20 0008 2209 27 2205 27", 5), ("2200 20 0008 2209 27 2205 27", 9), ("21 0004 27 2207 27", 7),
      ("27", 0),
    ] as [(String, UInt64)])
  func operations(_ program: String, _ expected: UInt64) {
    #expect(run(program) == .success(expected))
  }

  @Test(
    arguments: [
      ("", .outOfCode), ("2201", .outOfCode), ("22", .outOfCode), ("23 12", .outOfCode), ("21 ffff", .outOfCode),
      ("21 0003", .outOfCode), ("02 27", .stackUnderflow), ("2201 02 27", .stackUnderflow), ("28 27", .stackUnderflow),
      ("29 27", .stackUnderflow), ("2201 2b 27", .stackUnderflow), ("2201 3201 27", .stackUnderflow),
      ("2201 2202 33 27", .stackUnderflow), ("21 0000", .tooManySteps), ("2201 21 0000", .stackOverflow),
      ("23 1000 1a 27", .noMemory(0x1000)), ("26 000a 27", .noRegister(10)), ("26 ffff 27", .noRegister(0xffff)),
      ("00", .invalidOperation(0)), ("01", .invalidOperation(1)), ("0c", .invalidOperation(0x0c)),
      ("2c 0001 27", .invalidOperation(0x2c)), ("ff", .invalidOperation(0xff)), ("34", .outOfCode),
      ("34 00 0000 27", .badFormat), ("34 00 0002 4100 27", .stackUnderflow), ("34 00 0002 4141 27", .badFormat),
      ("34 00 00ff 41 00 27", .badFormat), ("2200 2200 34 00 0004 25640a00 27", .badFormat),
    ] as [(String, AgentError)])
  func errors(_ program: String, _ error: AgentError) {
    #expect(run(program) == .failure(error))
  }

  @Test func tooLong() {
    #expect(AgentExpression([UInt8](repeating: 0x27, count: 16385)) == nil)
  }

  @Test(
    arguments: [
      ("%d", 5, "5"), ("%d", .max, "-1"), ("%u", .max, "4294967295"), ("%lu", .max, "18446744073709551615"),
      ("%ld", .max, "-1"),
      ("%x", 0xbeef, "beef"), ("%#lx", 0xbeef, "0xbeef"), ("%#X", 0xbeef, "0XBEEF"), ("%o", 8, "10"),
      ("%hhd", 0x1ff, "-1"), ("%hu", 0x12345, "9029"),
      ("%5d|", 42, "   42|"), ("%-5d|", 42, "42   |"), ("%05d", UInt64(bitPattern: -42), "-0042"), ("%c", 0x41, "A"),
      ("%p", 0x1000, "0x1000"), ("100%% %i", 1, "100% 1"), ("%s", 0x1000, "<no memory>"), ("%3s", 0x0, "   "),
      ("%.2s", 0x41, "AB"), ("%lld", 7, "7"), ("%zu", 7, "7"),
      (#"a\n\t\\\"\101\0x%d"#, 7, "a\n\t\\\"A\0x7"),
    ] as [(String, UInt64, String)])
  func formats(_ format: String, _ argument: UInt64, _ expected: String) throws {
    let text = try AgentFormat.expand(Array(format.utf8), [argument], in: Environment())
    #expect(String(decoding: text, as: UTF8.self) == expected)
  }

  @Test(arguments: ["%", "%5", "%d%d", "%l", #"%d\"#])
  func badFormats(_ format: String) {
    #expect(throws: AgentError.badFormat) { try AgentFormat.expand(Array(format.utf8), [1], in: Environment()) }
  }

  @Test func outputIsBounded() {
    let format = Array(String(repeating: "%999d", count: 20).utf8)
    let arguments = [UInt64](repeating: 1, count: 20)
    #expect(throws: AgentError.badFormat) { try AgentFormat.expand(format, arguments, in: Environment()) }
    let endless = Array("%s".utf8)
    let text = try? AgentFormat.expand(endless, [1], in: Environment())
    #expect(text?.count == 255, "up to the next zero byte")
  }

  @Test func printing() {
    let environment = Environment()
    // Arguments 2, then 1 on top, then channel and function.
    #expect(run("2202 2201 2200 2200 3402 0006 25642c256400 2a40 27", in: environment) == .failure(.stackUnderflow))
    #expect(environment.printed == "1,2", "it was printed before the next operation failed")
  }
}
