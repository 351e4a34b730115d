/// One verb of the command line. Each lives in a file of its own.
protocol Command {
  static var name: String { get }
  /// What follows the name in the usage line.
  static var synopsis: String { get }
  /// One line for `chronovisor help`.
  static var summary: String { get }
  static var options: [Option] { get }
  /// Returns the exit status. Throws `UsageError` for a wrong command line, any other error for trouble; `main` prints
  /// both.
  static func run(_ arguments: Arguments) throws -> Int32
}

/// The exit statuses of `chronovisor` that are not the guest's.
enum ExitStatus {
  static let success: Int32 = 0
  /// A wrong command line, or the host would not do what was asked.
  static let failure: Int32 = 1
  /// A damaged trace, or a replay that left the recorded path (EX_DATAERR of sysexits.h).
  static let dataError: Int32 = 65
  /// `--timeout` ran out.
  static let timeout: Int32 = 124
}

/// An option that a verb understands.
struct Option {
  /// All spellings, the long one first: `["--serve", "-s"]`.
  var names: [String]
  /// What the help calls the value (`FILE`); `nil` for a flag.
  var value: String?
  var help: String

  init(_ names: String..., value: String? = nil, help: String) {
    self.names = names
    self.value = value
    self.help = help
  }
}

/// The user's command line was wrong; the text says how and what to do.
struct UsageError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// The words after the verb, sorted into options and operands by the verb's own list.
struct Arguments {
  private var values: [String: [String]] = [:]
  private(set) var operands: [String] = []
  /// What stood after `--`.
  private(set) var rest: [String] = []

  init(_ words: [String], options: [Option]) throws {
    var words = words[...]
    while let word = words.popFirst() {
      if word == "--" {
        rest = Array(words)
        return
      }
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      let (name, attached) = Arguments.split(word)
      guard let option = options.first(where: { $0.names.contains(name) }) else {
        throw UsageError("unknown option \(name): see `chronovisor help`")
      }
      guard option.value != nil else {
        guard attached == nil else { throw UsageError("option \(name) takes no value") }
        values[option.names[0], default: []].append("")
        continue
      }
      guard let value = attached ?? words.popFirst() else {
        throw UsageError("option \(name) wants a value: \(name) \(option.value ?? "")")
      }
      values[option.names[0], default: []].append(value)
    }
  }

  /// `--name=value` in two.
  private static func split(_ word: String) -> (name: String, value: String?) {
    guard word.hasPrefix("--"), let equals = word.firstIndex(of: "=") else { return (word, nil) }
    return (String(word[..<equals]), String(word[word.index(after: equals)...]))
  }

  /// The flag was given.
  func has(_ name: String) -> Bool { values[name] != nil }
  /// The last value given for the option.
  func value(_ name: String) -> String? { values[name]?.last }

  /// The value as a whole number, decimal or 0x….
  func number(_ name: String) throws -> UInt64? {
    guard let text = value(name) else { return nil }
    let number = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    guard let number else { throw UsageError("\(name) \(text): give a whole number") }
    return number
  }

  /// The one operand of a verb that takes exactly one.
  func onlyOperand(_ what: String) throws -> String {
    guard let operand = operands.first else { throw UsageError("no \(what) given: see `chronovisor help`") }
    guard operands.count == 1 else { throw UsageError("one \(what) only; \(operands[1]) is one too many") }
    return operand
  }
}
