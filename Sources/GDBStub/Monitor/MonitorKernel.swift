// MARK: - The kernel's own symbols

extension Session {
  /// `monitor kernel-symbols [beside]`: makes the file that the client then gets by `remote get`; beside: the client
  /// has other symbols too, and knows frames by them.
  func monitorKernelSymbols(_ arguments: [String]) throws(PacketError) -> String {
    guard arguments.isEmpty || arguments == ["beside"] else { throw .malformed }
    do {
      let file = try KernelFile(in: KernelMemory(target), isAlone: arguments.isEmpty)
      files["kernel-symbols"] = file.bytes
      return file.summary
    } catch {
      throw .refused(error.reason)
    }
  }
}
