/// What QEMU 7.2's user mode has otherwise, by what differs: measured by `Tools/fuzz --under qemu --measure`.
enum QEMUMasks {
  static let text = """
    """
}
