/// The Python that gdb loads for a guest that is Linux.
public enum LinuxScript {
  /// For gdb's `-x`, before the symbols or after them.
  public static let text = [LinuxFrames.script, tasks, locks, taskCommands, stopCommands, modules, kernelSymbols]
    .joined(separator: "\n")
}
