/// The guest's console on stdout: whole lines at once, and what is left when asked. Output that nobody takes any more
/// is dropped: the guest goes on, and `StandardOutput` tells at the end.
final class ConsoleWriter {
  private var buffer: [UInt8] = []

  func put(_ character: UInt8) {
    buffer.append(character)
    if character == 0x0a || buffer.count >= 4096 { flush() }
  }

  func flush() {
    StandardOutput.write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }
}
