internal import Glibc

/// The results of `verify` in the XML format that continuous-integration servers read.
struct JUnitReport {
  private let results: [VerifyResult]
  init(_ results: [VerifyResult]) { self.results = results }

  var text: String {
    let failures = results.filter { $0.status != .exact }.count
    var xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    xml += "<testsuite name=\"chronovisor verify\" tests=\"\(results.count)\" failures=\"\(failures)\">\n"
    for result in results {
      xml += "  <testcase classname=\"verify\" name=\"\(escaped(result.path))\" time=\"\(result.seconds)\">"
      if result.status != .exact {
        let body = ([result.summary] + result.details).joined(separator: "\n")
        xml += "<failure type=\"\(result.status.rawValue)\" message=\"\(escaped(result.summary))\">"
        xml += escaped(body) + "</failure>"
      }
      xml += "</testcase>\n"
    }
    return xml + "</testsuite>\n"
  }

  func write(to path: String) throws { try writeFile(text, to: path, as: "report") }

  private func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\n", "\t": out.unicodeScalars.append(scalar)
      default: if scalar.value >= 0x20 { out.unicodeScalars.append(scalar) }
      }
    }
    return out
  }
}

/// Host time since it was made, for reports only.
struct Stopwatch {
  private let start: Double
  init() { start = Stopwatch.now() }
  var seconds: Double { Stopwatch.now() - start }

  private static func now() -> Double {
    var time = timespec()
    unsafe _ = clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
