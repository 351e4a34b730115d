/// The guests of Tests/Guests, assembled once for each test run.
public enum TestGuests {
  private static let folder: String = {
    let folder = SourceTree.root + "/.build/guests"
    let result = CommandRunner.run(SourceTree.root + "/Tools/build-guests", [folder])
    precondition(result.status == 0, "Tools/build-guests failed: \(result.errors)")
    return folder
  }()

  /// The path of a guest, by its name without `.s`.
  public static func path(_ name: String) -> String { folder + "/" + name + ".elf" }

  /// The names of all guests that Tools/build-guests makes; folders hold others, which single tests assemble.
  public static var names: [String] {
    SourceTree.entries(of: SourceTree.root + "/Tests/Guests").filter { $0.hasSuffix(".s") }.map {
      String($0.dropLast(2))
    }
  }
}
