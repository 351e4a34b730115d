internal import Loaders
internal import Replay
internal import VMMCore

/// What `run` and `record` take from the command line about the machine.
struct MachineOptions {
  static let options = [
    Option("--engine", value: "ENGINE", help: "auto (default), kvm, software or kvm+software"),
    translationOption,
    Option("--cpu", value: "MODEL", help: "CPU model, with ,+FEATURE and ,-FEATURE (default: default); or help"),
    Option("--memory", "-m", value: "SIZE", help: "guest RAM: 64M, 1G, ... (default 128M)"),
    Option("--initrd", value: "FILE", help: "Linux's initramfs, a multiboot module, or data"),
    Option("--append", value: "TEXT", help: "the kernel command line"),
    Option("--input", value: "FILE", help: "what is typed on the serial line (default: stdin)"),
    Option("--prompt", value: "TEXT", help: "type a line of --input each time the guest has printed TEXT"),
    Option("--clock", value: "CLOCK", help: "host or virtual (default: host under KVM, virtual under software)"),
    Option("--seed", value: "N", help: "the seed of --chaos and of random numbers (default 1)"),
    Option("--chaos", help: "vary where interrupts arrive, to make races happen"),
    Option("--nmi-after", value: "MS", help: "inject one NMI after so many milliseconds of machine time"),
    Option(
      "--timeout", value: "SECONDS", help: "end the run after so much time, the machine's or yours, with status 124"),
  ]

  var engine: EngineChoice
  var cpu: String
  var memorySize: UInt64
  var guestPath: String
  var initrdPath: String?
  var commandLine: String
  var inputPath: String?
  var prompt: String?
  var clock: ClockChoice
  var seed: UInt64
  var session = RecordOptions()

  init(_ arguments: Arguments) throws {
    guestPath = try arguments.onlyOperand("guest")
    try arguments.chooseTranslation()
    engine = try MachineOptions.choice(arguments, "--engine", among: EngineChoice.allCases) ?? .auto
    cpu = arguments.value("--cpu") ?? "default"
    clock = try MachineOptions.choice(arguments, "--clock", among: ClockChoice.allCases) ?? .byEngine
    memorySize = try MachineOptions.size(arguments, "--memory") ?? 128 << 20
    initrdPath = arguments.value("--initrd")
    commandLine = arguments.value("--append") ?? ""
    inputPath = arguments.value("--input")
    prompt = arguments.value("--prompt")
    guard prompt == nil || inputPath != nil && prompt != "" else {
      throw UsageError("--prompt goes with --input FILE, and is not empty")
    }
    seed = try arguments.number("--seed") ?? 1
    session.chaosSeed = arguments.has("--chaos") ? seed : nil
    session.nmiAfter = try arguments.number("--nmi-after").map { $0 &* 1_000_000 }
    session.timeout = try MachineOptions.seconds(arguments, "--timeout")
  }

  /// The guest's files.
  func readImages() throws -> (kernel: GuestImage, initrd: GuestImage?) {
    let kernel = GuestImage(
      role: .kernel, name: fileName(guestPath), bytes: try readFile(guestPath, as: "guest"))
    let initrd = try initrdPath.map {
      GuestImage(role: .initrd, name: fileName($0), bytes: try readFile($0, as: "initrd"))
    }
    return (kernel, initrd)
  }

  private static func choice<C: RawRepresentable<String>>(
    _ arguments: Arguments, _ name: String, among choices: [C]
  ) throws -> C? {
    guard let text = arguments.value(name) else { return nil }
    guard let choice = C(rawValue: text) else {
      throw UsageError("\(name) \(text): give one of " + choices.map(\.rawValue).joined(separator: ", "))
    }
    return choice
  }

  /// `512K`, `64M`, `2G` or bytes.
  private static func size(_ arguments: Arguments, _ name: String) throws -> UInt64? {
    guard let text = arguments.value(name) else { return nil }
    let shift: UInt64 =
      switch text.last {
      case "K", "k": 10
      case "M", "m": 20
      case "G", "g": 30
      default: 0
      }
    guard let number = UInt64(shift == 0 ? text[...] : text.dropLast()), number < 1 << (63 - shift) else {
      throw UsageError("\(name) \(text): give a size such as 64M or 1G")
    }
    return number << shift
  }

  /// Seconds, with a fraction if wanted, as nanoseconds.
  private static func seconds(_ arguments: Arguments, _ name: String) throws -> UInt64? {
    guard let text = arguments.value(name) else { return nil }
    guard let seconds = Double(text), seconds > 0, seconds < 1e9 else {
      throw UsageError("\(name) \(text): give a number of seconds")
    }
    return UInt64(seconds * 1e9)
  }
}

/// Which engine is to run the guest.
enum EngineChoice: String, CaseIterable {
  case auto, kvm, software
  case hybrid = "kvm+software"
}

/// Which clock the devices get.
enum ClockChoice: String, CaseIterable { case byEngine = "auto", host, virtual }

/// The last part of a path.
func fileName(_ path: String) -> String { String(path.split(separator: "/").last ?? "guest") }
