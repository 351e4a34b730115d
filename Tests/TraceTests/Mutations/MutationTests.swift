import Support
import Testing

/// Traces that lie, with checksums that are right. Whatever field of a sound trace is changed, whatever record dropped,
/// doubled, exchanged or moved: `verify` refuses it with the place, or finds that the replay diverges, within the
/// limits of `Verification`. It calls exact only what says nothing but the truth (`Truth`).
///
/// `CHRONOVISOR_LONG=1` makes it 100,000 traces (or `CHRONOVISOR_MUTATIONS`), `CHRONOVISOR_SEED` gives their seed. A
/// failure prints the command that makes the one trace again.
@Suite struct MutationTests {
  /// A sound trace to begin with.
  struct Origin: CustomTestStringConvertible, Sendable {
    /// Of the corpus, or what is to be recorded.
    var name: String
    var recording: [String]?
    var testDescription: String { name }

    static func corpus(_ name: String) -> Origin { Origin(name: name) }
    static func recorded(_ engine: String, _ guest: String, _ options: String...) -> Origin {
      Origin(name: "\(guest) on \(engine)", recording: ["--engine", engine] + options + [guest])
    }
  }

  private static let corpus: [Origin] =
    ["hello", "race", "tasks", "rep", "spinwait", "nmi", "strio", "ticker", "triplefault"].map { .corpus($0) }
  private static let recorded: [Origin] = [
    .recorded("software", "race", "--chaos", "--append", "3"), .recorded("software", "rep", "--chaos", "--seed", "5"),
    .recorded("software", "spin", "--append", "3"), .recorded("software", "sse"),
    .recorded("software", "compute", "--append", "100000000", "--timeout", "0.01"),
  ]
  private static let recordedOnKVM: [Origin] = [
    .recorded("kvm", "spin", "--append", "2"), .recorded("kvm", "userspin", "--append", "3"),
    .recorded("kvm", "tasks"), .recorded("kvm", "mmio"),
  ]
  static let origins = corpus + recorded + (kvmAvailable ? recordedOnKVM : [])

  /// Of all origins together.
  private static let count = LongTests.number("CHRONOVISOR_MUTATIONS") ?? (LongTests.areOn ? 100_000 : 400)
  /// The only one to be tried.
  private static let only = LongTests.number("CHRONOVISOR_MUTATION")
  private static let batch = 25

  private let folder = TemporaryFolder()

  private func path(of origin: Origin) throws -> String {
    guard var words = origin.recording else { return SourceTree.root + "/Traces/\(origin.name)/\(origin.name).trace" }
    let path = folder.file("original.trace")
    words[words.count - 1] = TestGuests.path(words[words.count - 1])
    let result = CommandRunner.run(CommandRunner.chronovisor, ["record", "-o", path] + words)
    try #require(bytesOfFile(path).count > 0, "\(result.errors)")
    return path
  }

  @Test(arguments: origins) func noLieIsCalledExact(origin: Origin) throws {
    let original = try path(of: origin)
    let truth = try Truth(original)
    let mutator = Mutator(contents(of: original), name: origin.name)
    let count = MutationTests.count / MutationTests.origins.count + 1
    var tally = Tally()
    let all = MutationTests.only.map { $0..<($0 + 1) } ?? 0..<count
    for start in stride(from: all.lowerBound, to: all.upperBound, by: MutationTests.batch) {
      let numbers = start..<min(start + MutationTests.batch, all.upperBound)
      // Every fourth time the engine is verify's choice.
      let engine = start / MutationTests.batch % 4 == 3 ? [] : ["--engine", "software"]
      try check(mutator, numbers, Verification(folder: folder.path, arguments: engine), origin, truth, &tally)
    }
    print("mutations of \(origin.name), seed \(LongTests.seed): \(tally)")
  }

  private func check(
    _ mutator: Mutator, _ numbers: Range<Int>, _ verification: Verification, _ origin: Origin, _ truth: Truth,
    _ tally: inout Tally
  ) throws {
    let mutations = numbers.map { mutator.mutation(seed: LongTests.seed, number: $0) }
    let paths = numbers.map { folder.file("\($0 - numbers.lowerBound).trace") }
    for (mutation, path) in zip(mutations, paths) { store(mutation.bytes, in: path) }
    let verdicts = verification.verdicts(of: paths)
    for (number, verdict) in zip(numbers, verdicts) {
      let index = number - numbers.lowerBound
      tally.add(verdict)
      guard let flaw = flaw(verdict, paths[index], truth, counts: !verification.arguments.isEmpty) else { continue }
      let kept = "/tmp/chronovisor-mutation-\(LongTests.seed)-\(number).trace"
      store(mutations[index].bytes, in: kept)
      Issue.record(
        """
        \(flaw): \(origin.name), \(mutations[index].name)
        \(kept); verify \(verification.arguments.joined(separator: " ")); again with \
        CHRONOVISOR_SEED=\(LongTests.seed) CHRONOVISOR_MUTATION=\(number) Tools/test --filter MutationTests
        """)
    }
  }

  /// What is wrong with a verdict.
  private func flaw(
    _ verdict: Verification.Verdict, _ path: String, _ truth: Truth, counts: Bool
  ) -> String? {
    switch verdict {
    case .diverged, .refused, .unfit: return nil
    case .fault(let text): return text
    case .exact:
      guard let other = try? Truth(path) else { return "exact, and cannot be read" }
      return truth.lie(of: other, counts: counts).map { "exact, and says \($0)" }
    }
  }
}

/// How often each verdict came.
private struct Tally: CustomStringConvertible {
  private var exact = 0
  private var diverged = 0
  private var refused = 0
  private var others = 0

  mutating func add(_ verdict: Verification.Verdict) {
    switch verdict {
    case .exact: exact += 1
    case .diverged: diverged += 1
    case .refused: refused += 1
    case .unfit, .fault: others += 1
    }
  }

  var description: String { "\(refused) refused, \(diverged) diverged, \(exact) exact and true, \(others) others" }
}
