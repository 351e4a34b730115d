import Testing

/// One corner case of a data sheet: what it says and where, what is right, and a try on a new bench.
struct DeviceRule<Bench>: Sendable, CustomTestStringConvertible {
  private let text: String
  private let source: String
  private let right: RuleOutcome
  private let attempt: @Sendable (Bench) -> RuleOutcome

  /// - Parameters:
  ///   - source: the section of the data sheet, or who else decides.
  ///   - right: what the try has to come to.
  init<Value: RuleValue>(
    _ text: String, _ source: String, _ right: RuleOutcome, _ attempt: @escaping @Sendable (Bench) -> Value
  ) {
    self.text = text
    self.source = source
    self.right = right
    self.attempt = { attempt($0).outcome }
  }

  var testDescription: String { "\(text) (\(source))" }

  /// What is wrong on the bench; `nil` when the device keeps the rule.
  func fault(on bench: Bench) -> String? {
    let seen = attempt(bench)
    return seen == right ? nil : "seen \(seen), right is \(right)"
  }
}

/// What a try comes to: numbers of any width, rows of digits, yes or no, or several of them.
enum RuleOutcome: Equatable, Sendable, CustomStringConvertible {
  case number(UInt64)
  case text(String)
  case truth(Bool)
  case list([RuleOutcome])

  var description: String {
    switch self {
    case .number(let number): "0x" + String(number, radix: 16)
    case .text(let text): text
    case .truth(let truth): "\(truth)"
    case .list(let outcomes): "\(outcomes)"
    }
  }
}

extension RuleOutcome: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral
{
  init(integerLiteral value: UInt64) { self = .number(value) }
  init(stringLiteral value: String) { self = .text(value) }
  init(booleanLiteral value: Bool) { self = .truth(value) }
  init(arrayLiteral elements: RuleOutcome...) { self = .list(elements) }
}

/// What the closure of a rule may return.
protocol RuleValue: SendableMetatype {
  var outcome: RuleOutcome { get }
}

extension RuleValue where Self: BinaryInteger {
  var outcome: RuleOutcome { .number(UInt64(self)) }
}

extension UInt8: RuleValue {}
extension UInt16: RuleValue {}
extension UInt32: RuleValue {}
extension UInt64: RuleValue {}
extension Int: RuleValue {}
extension String: RuleValue { var outcome: RuleOutcome { .text(self) } }
extension Bool: RuleValue { var outcome: RuleOutcome { .truth(self) } }
extension Array: RuleValue where Element: RuleValue {
  var outcome: RuleOutcome { .list(map(\.outcome)) }
}
