internal import Glibc

/// Carries out `body` on a new thread, which the caller joins or detaches.
func startThread(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
  var thread = pthread_t()
  let context = unsafe Unmanaged.passRetained(ThreadBody(body)).toOpaque()
  let result = unsafe pthread_create(
    &thread, nil,
    { context in
      unsafe Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue().body()
      return nil
    }, context)
  guard result == 0 else {
    unsafe Unmanaged<ThreadBody>.fromOpaque(context).release()
    throw UsageError("cannot start a thread: \(errorText(result))")
  }
  return thread
}

private final class ThreadBody: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
