internal import Glibc

/// The guest's console on stdout: whole lines at once, and what is left when asked. Output that nobody reads any more
/// (a closed pipe) is dropped.
final class ConsoleWriter {
  private var buffer: [UInt8] = []

  func put(_ character: UInt8) {
    buffer.append(character)
    if character == 0x0a || buffer.count >= 4096 { flush() }
  }

  func flush() {
    writeAll(buffer, to: STDOUT_FILENO)
    buffer.removeAll(keepingCapacity: true)
  }
}
