internal import Glibc

/// A client behind file descriptors: a socket, or standard input and output. While it talks to its client it also
/// refuses others that come, and watches for the request to stop.
final class DescriptorTransport: Transport {
  /// A client that takes nothing for so long is gone.
  private static let sendPatience: Int32 = 30_000

  private let input: Descriptor
  private let output: Descriptor
  private let listener: Listener?
  private let stop: Descriptor
  private var scratch = [UInt8](repeating: 0, count: 65536)
  /// Packets in a row that came so soon that nothing else was looked at.
  private var hurried = 0

  init(input: Descriptor, output: Descriptor, listener: Listener?, stop: Descriptor) {
    self.input = input
    self.output = output
    self.listener = listener
    self.stop = stop
    output.makeNonBlocking()
    input.makeNonBlocking()
  }

  func receive(into buffer: inout [UInt8], wait: Bool) -> ReceiveResult {
    if wait, let soon = receiveSoon(into: &buffer) { return soon }
    while true {
      var poll = Poll()
      poll.add(input)
      poll.add(stop)
      poll.add(listener?.descriptor)
      guard poll.wait(milliseconds: wait ? -1 : 0) else {
        if wait { continue }
        return .nothing
      }
      if poll.isReady(1) { return .closed }
      if poll.isReady(0) {
        switch input.read(into: &buffer, scratch: &scratch) {
        case .bytes: return .bytes
        case .closed: return .closed
        case .nothing: break
        }
      } else if poll.isReady(2) {
        // Only now: our client might just have said goodbye, and the next one is welcome.
        listener?.refuse()
      }
      if !wait { return .nothing }
    }
  }

  /// How long the next packet is waited for awake, in nanoseconds.
  private static let alertness: UInt64 = 50_000

  /// A client that steps sends one packet after the other: who sleeps in between is woken up, on another CPU, which can
  /// take longer than all the rest of a step. Now and then it is left out, so that others are refused, and a request to
  /// stop is seen.
  private func receiveSoon(into buffer: inout [UInt8]) -> ReceiveResult? {
    hurried += 1
    guard hurried % 64 != 0 else { return nil }
    let deadline = monotonicTime() + DescriptorTransport.alertness
    repeat {
      switch input.read(into: &buffer, scratch: &scratch) {
      case .bytes: return .bytes
      case .closed: return .closed
      // On a machine with one CPU the client needs it.
      case .nothing: sched_yield()
      }
    } while monotonicTime() < deadline
    return nil
  }

  func send(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = output.write(rest) else { return false }
      rest = rest.dropFirst(count)
      if rest.isEmpty { return true }
      var poll = Poll()
      poll.add(output, for: POLLOUT)
      poll.add(stop)
      guard poll.wait(milliseconds: DescriptorTransport.sendPatience), !poll.isReady(1) else { return false }
    }
    return true
  }
}
