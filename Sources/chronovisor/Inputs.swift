internal import Glibc
internal import Machine
internal import Replay

/// Input from a file, all at once: the UART hands it out as the guest makes room.
final class BytesInput: InputSource {
  private var bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func poll() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  var isOpen: Bool { !bytes.isEmpty }
}

/// Input as it comes from a descriptor; nothing waits for it.
final class DescriptorInput: InputSource {
  private let descriptor: Int32
  private(set) var isOpen = true

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  func poll() -> [UInt8] {
    guard isOpen else { return [] }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe Glibc.poll(&request, 1, 0) > 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    guard count > 0 else {
      isOpen = false
      return []
    }
    return Array(buffer[..<count])
  }
}

/// Input from a file, a line each time the guest has printed the prompt: a session at a shell.
final class PromptedInput: InputSource {
  private var lines: ArraySlice<[UInt8]>
  private let prompt: [UInt8]
  /// The end of what the guest printed, as long as the prompt.
  private var seen: [UInt8] = []
  private var due: [UInt8] = []

  init(_ bytes: [UInt8], prompt: String) {
    self.prompt = [UInt8](prompt.utf8)
    lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false).map { Array($0) + [0x0a] }[...]
    // What follows the last line end is no line.
    if lines.last == [0x0a] { lines.removeLast() }
  }

  /// Takes in what the guest prints.
  func observe(_ character: UInt8) {
    seen.append(character)
    if seen.count > prompt.count { seen.removeFirst() }
    guard seen == prompt, let line = lines.popFirst() else { return }
    due += line
    seen = []
  }

  func poll() -> [UInt8] {
    defer { due = [] }
    return due
  }

  var isOpen: Bool { !due.isEmpty || !lines.isEmpty }
}
