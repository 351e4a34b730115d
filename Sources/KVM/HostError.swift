internal import Glibc
internal import VMMCore

extension EngineError {
  /// `what` failed with `result`, a negative errno.
  static func host(_ what: String, _ result: Int32, hint: String? = nil) -> EngineError {
    EngineError("\(what): \(errorName(-result))" + (hint.map { ": " + $0 } ?? ""))
  }
}

/// The system's words for an errno.
func errorName(_ code: Int32) -> String {
  unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}

/// The result of an ioctl, or the error that it stands for.
@discardableResult
func check(
  _ result: Int32, _ what: @autoclosure () -> String, hint: @autoclosure () -> String? = nil
) throws(EngineError)
  -> Int32
{
  if result < 0 { throw EngineError.host(what(), result, hint: hint()) }
  return result
}
