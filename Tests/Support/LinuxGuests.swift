internal import Foundation

/// The Linux guests that `Tools/build-linux` makes in `.cache/linux`, and a session recorded with one of them.
///
/// Tests that need them are marked `.enabled(if: LinuxGuests.areAvailable, "\(LinuxGuests.reason)")`.
public enum LinuxGuests {
  public static let folder = SourceTree.root + "/.cache/linux"

  /// The small Linux 6.1: an ELF file with symbols.
  public static let kernel = folder + "/vmlinux"
  /// The same as a bzImage.
  public static let compressedKernel = folder + "/bzImage"
  /// Debian's stock cloud kernel, a bzImage.
  public static let debianKernel = folder + "/debian/vmlinuz"
  /// busybox with a shell on the serial line; leaving the shell powers off.
  public static let shell = folder + "/shell.cpio.gz"

  /// What `Tests/Guests/linux/bugs` makes: an initramfs whose /init has the bug that `bug=NAME` on the kernel's command
  /// line names, and the folder with its files, which have symbols.
  public static let bugs = folder + "/bugs.cpio.gz"
  public static let bugFiles = folder + "/bugs"

  /// The kernel with the same bugs for several processors, which `Tools/build-linux --smp` makes; its files.
  public static let multiprocessorFolder = folder + "-smp"
  public static let hasMultiprocessor = exist(
    multiprocessorFolder + "/vmlinux", multiprocessorFolder + "/bugs.cpio.gz")

  /// The small Linux and its shell are there, and CHRONOVISOR_NO_LINUX does not hide them.
  public static let areAvailable = exist(kernel, compressedKernel, shell, bugs)
  /// Debian's kernel and the shell are there, and CHRONOVISOR_NO_LINUX does not hide them.
  public static let debianIsAvailable = exist(debianKernel, shell)

  /// Why tests on Linux are skipped when they are.
  public static let reason: String = {
    let environment = ProcessInfo.processInfo.environment
    if environment["CHRONOVISOR_NO_LINUX"] != nil { return "no Linux guests: CHRONOVISOR_NO_LINUX hides them" }
    guard let trouble = environment["CHRONOVISOR_LINUX_TROUBLE"] else {
      return "no Linux guests: Tools/build-linux makes them"
    }
    return "no Linux guests: \(trouble)"
  }()

  private static func exist(_ paths: String...) -> Bool {
    guard ProcessInfo.processInfo.environment["CHRONOVISOR_NO_LINUX"] == nil else { return false }
    return paths.allSatisfy { FileManager.default.isReadableFile(atPath: $0) }
  }

  /// The kernel command line of a session on the small Linux.
  public static let commandLine = "console=ttyS0 panic=-1 lpj=100000 reboot=k i8042.noaux=1 i8042.nokbd=1"
  /// What a user types: files, pipes, processes, signals, /proc, and the end.
  public static let sessionInput = SourceTree.root + "/Tests/Guests/linux-session.txt"

  /// A recording and what the recorder printed.
  public struct Recording: Sendable {
    /// The trace.
    public var path: String
    public var result: CommandRunner.Result
  }

  /// Records a session at the shell of a Linux.
  public static func record(
    _ kernel: String, engine: String = "software", commandLine: String, input: String, to path: String,
    options: [String] = [], seconds: Double = CommandRunner.patience
  ) -> Recording {
    let result = CommandRunner.run(
      CommandRunner.chronovisor,
      ["record", "--engine", engine, "--initrd", shell, "--append", commandLine, "--input", input]
        + ["--prompt", "# ", "-o", path] + options + [kernel], seconds: seconds)
    return Recording(path: path, result: result)
  }

  /// Records the small Linux with a bug until it has said a text, and the end or a time limit has come: one of the bugs
  /// makes it last for ever. A busy machine gets longer limits.
  public static func recordBug(
    _ name: String, to path: String, saying text: String, of folder: String = LinuxGuests.folder
  ) -> Recording {
    var limit = 5
    while true {
      let result = CommandRunner.run(
        CommandRunner.chronovisor,
        ["record", "--engine", "software", "--timeout", "\(limit)", "--initrd", folder + "/bugs.cpio.gz"]
          + ["--append", "\(commandLine) bug=\(name)", "-o", path, folder + "/vmlinux"],
        seconds: CommandRunner.patience)
      if result.output.contains(text) || limit > 300 { return Recording(path: path, result: result) }
      limit *= 4
    }
  }

  /// The session of `linux-session.txt` on the small Linux: 900 million instructions, recorded once in a test run (some
  /// seconds) when the first test asks for it, and removed at its end.
  public static let session: Recording = {
    let path = NSTemporaryDirectory() + "chronovisor-linux-\(getpid()).trace"
    let recording = record(kernel, commandLine: commandLine, input: sessionInput, to: path)
    atexit { unsafe _ = unlink(NSTemporaryDirectory() + "chronovisor-linux-\(getpid()).trace") }
    return recording
  }()

  /// What a user types on Debian's kernel.
  private static let debianInput =
    "head -n 3 /proc/interrupts\n(sleep 0.05; echo done) & wait\nls / | sort | wc -l\n"
    + "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; echo $i\nexit\n"

  /// A session on Debian's kernel, without the tests that its ciphers make of themselves: 700 million instructions,
  /// recorded once in a test run when the first test asks for it, and removed at its end.
  public static let debianSession: Recording = {
    let folder = TemporaryFolder()
    let recording = record(
      debianKernel, commandLine: "console=ttyS0 panic=-1 cryptomgr.notests",
      input: folder.write(Array(debianInput.utf8), to: "input"), to: debianSessionPath, options: ["--memory", "256M"])
    atexit { unsafe _ = unlink(LinuxGuests.debianSessionPath) }
    return recording
  }()

  private static var debianSessionPath: String { NSTemporaryDirectory() + "chronovisor-debian-\(getpid()).trace" }
}
