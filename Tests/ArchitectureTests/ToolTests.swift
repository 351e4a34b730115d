import Support
import Testing

/// The scripts of Tools/.
@Suite struct ToolTests {
  /// A build with flags of its own would make every other tool build all anew.
  @Test func thereIsOneBuild() {
    let tools = SourceTree.entries(of: SourceTree.root + "/Tools").filter { $0 != "build" }
    #expect(tools.contains("test") && tools.contains("bench"))
    for tool in tools where !SourceTree.isDirectory(SourceTree.root + "/Tools/" + tool) {
      for (number, line) in SourceTree.lines(of: "Tools/" + tool).enumerated() where !line.hasPrefix("#") {
        let isOwn = line.contains("-enable-testing") || line.contains("swift build -") || line.contains("swift test -")
        #expect(!isOwn, "Tools/\(tool):\(number + 1) has flags of its own: use Tools/build")
      }
    }
  }
}
