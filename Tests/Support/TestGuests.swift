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

  /// The names of all guests.
  public static var names: [String] {
    SourceTree.files(below: "Tests/Guests", suffix: ".s").map { path in
      String(path.split(separator: "/").last!.dropLast(2))
    }
  }
}
