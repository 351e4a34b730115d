internal import Glibc

/// A file descriptor that is closed with its owner, and the few system calls that the stub makes on it.
final class Descriptor {
  let number: Int32
  private let isOwned: Bool

  /// - Parameter isOwned: false for standard input and output, which stay open.
  init(_ number: Int32, isOwned: Bool = true) {
    self.number = number
    self.isOwned = isOwned
  }

  deinit {
    if isOwned { _ = close(number) }
  }

  enum ReadResult: Equatable {
    case bytes(Int)
    case nothing
    case closed
  }

  /// Appends what can be read at once, by way of `scratch`, whose length bounds it.
  func read(into buffer: inout [UInt8], scratch: inout [UInt8]) -> ReadResult {
    // Sound: the scratch array's own storage and length.
    let count = unsafe scratch.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
    if count > 0 {
      buffer += scratch[..<count]
      return .bytes(count)
    }
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? .nothing : .closed
  }

  /// Writes what fits at once; `nil` when the other side is gone.
  func write(_ bytes: ArraySlice<UInt8>) -> Int? {
    // Sound: the slice's own storage and length.
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  func makeNonBlocking() { _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK) }

  /// Programs that this process starts do not get it.
  func closeOnExec() { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
}

/// A pipe that wakes a poll: readable for good once `writer` was written to.
struct StopPipe {
  let reader: Descriptor
  let writer: Descriptor

  init() throws(ServerError) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw ServerError("cannot make a pipe: \(errorText())") }
    reader = Descriptor(ends[0])
    writer = Descriptor(ends[1])
    for end in [reader, writer] {
      end.closeOnExec()
      end.makeNonBlocking()
    }
  }
}

/// Waits until one of several descriptors can be read or written.
struct Poll {
  private(set) var entries: [pollfd] = []

  mutating func add(_ descriptor: Descriptor?, for events: Int32 = POLLIN) {
    entries.append(pollfd(fd: descriptor?.number ?? -1, events: Int16(events), revents: 0))
  }

  /// - Parameter milliseconds: -1 waits for ever. Returns false when nothing is ready.
  mutating func wait(milliseconds: Int32) -> Bool {
    let count = nfds_t(entries.count)
    return unsafe poll(&entries, count, milliseconds) > 0
  }

  /// Ready, hung up or broken.
  func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }
}
