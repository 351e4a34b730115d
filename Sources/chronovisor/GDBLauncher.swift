internal import GDBStub
internal import Glibc
internal import Synchronization
internal import VMMCore

/// Runs gdb on a replay: as a child on the same terminal, connected to a server in this process by a socket that only
/// this user can reach.
struct GDBLauncher {
  /// The program, looked up in the PATH.
  var program = "gdb"
  /// A file of commands that is read after ours.
  var script: String?
  /// An ELF file to take symbols from, instead of the trace's.
  var symbols: String?
  /// The guest is Linux.
  var isLinux = false
  /// More of gdb's own arguments.
  var arguments: [String] = []

  /// Serves until gdb is gone; its exit status.
  func run(_ target: any DebugTarget, images: [GuestImage]) throws -> Int32 {
    // gdb gets the terminal's Ctrl-C, and passes it on as a packet.
    signal(SIGINT, SIG_IGN)
    let signals = EndSignals([SIGTERM, SIGHUP])
    let directory = try PrivateDirectory()
    defer { withExtendedLifetime(directory) {} }
    let symbols = try DebugSymbols(named: symbols, images: images, isLinux: isLinux, in: directory)
    let options = Server.Options(keepsListening: true, hasWideSymbols: symbols.areWide)
    let server = try Server(.unix(path: directory.file("socket")), options: options)
    let state = try? target.registers()
    let commands = GDBScript.session(
      target: server.name, symbols: symbols.files, isIn64BitCode: state?.is64Bit ?? true,
      preparation: symbols.preparation, prologue: symbols.commands)
    let setup = try directory.write(Array(commands.utf8), to: "chronovisor.gdb")
    var words = [program, "-q", "-l", "10000", "-x", setup]
    if let script { words += ["-x", script] }
    words += arguments
    let child = try ChildProcess(words)
    try signals.start(child.end)
    let status = try child.waiting(stopping: server.stopper) {
      _ = server.serve(target, refusal: { complain("chronovisor: \($0)") })
    }
    return signals.exitStatus ?? status
  }
}

/// A temporary directory for this user alone, gone with its owner.
final class PrivateDirectory {
  let path: String
  private var files: [String] = []

  init() throws {
    let parent = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/chronovisor-XXXXXX".utf8CString)
    guard unsafe template.withUnsafeMutableBufferPointer({ unsafe mkdtemp($0.baseAddress!) != nil }) else {
      throw UsageError("cannot make a directory in \(parent): \(errorText(errno))")
    }
    path = unsafe template.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
  }

  deinit {
    for file in files { unsafe unlink(file) }
    unsafe rmdir(path)
  }

  /// A path in the directory; what is there at the end is removed.
  func file(_ name: String) -> String {
    let file = "\(path)/\(name)"
    files.append(file)
    return file
  }

  func write(_ bytes: [UInt8], to name: String) throws -> String {
    let path = file(name)
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw UsageError("cannot write \(path): \(errorText(errno))") }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let written = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
      }
      guard written > 0 || written < 0 && errno == EINTR else {
        throw UsageError("cannot write \(path): \(errorText(errno))")
      }
      offset += max(0, written)
    }
    return path
  }
}

/// A program that has been started.
final class ChildProcess: Sendable {
  private let process: pid_t
  /// As waitpid(2) gives it.
  private let status = Atomic<Int32>(0)

  /// Finds the program in the PATH. Signals that this process ignores or blocks are as usual in the child.
  init(_ words: [String]) throws {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var (defaults, blocked) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&defaults)
    unsafe sigaddset(&defaults, SIGINT)
    unsafe sigaddset(&defaults, SIGPIPE)
    unsafe sigemptyset(&blocked)
    unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
    unsafe posix_spawnattr_setsigmask(&attributes, &blocked)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
    var process = pid_t()
    let result = unsafe posix_spawnp(&process, words[0], nil, &attributes, &pointers, environ)
    guard result == 0 else {
      throw UsageError(
        "cannot start \(words[0]): \(errorText(result)); install gdb, or give -d GDB, or serve with -s PORT")
    }
    self.process = process
  }

  /// Carries out `body`, which `stopper` ends when the child is gone; the child's exit status.
  func waiting(stopping stopper: Server.Stopper, _ body: () -> Void) throws -> Int32 {
    let thread = try startThread { [self] in
      wait()
      stopper.stop()
    }
    body()
    pthread_join(thread, nil)
    return exitStatus
  }

  private func wait() {
    var word: Int32 = 0
    while unsafe waitpid(process, &word, 0) < 0, errno == EINTR {}
    status.store(word, ordering: .relaxed)
  }

  /// As a shell has it: the status, or 128 and the number of the signal.
  private var exitStatus: Int32 {
    let word = status.load(ordering: .relaxed)
    return word & 0x7f == 0 ? word >> 8 & 0xff : 128 + (word & 0x7f)
  }

  /// Signals go on to the child, and this process ends with it; a child that does not end is ended.
  var end: EndSignals.Response {
    EndSignals.Response(
      begin: { [process] in kill(process, $0) }, patience: 2, insist: { [process] _ in kill(process, SIGKILL) })
  }
}
