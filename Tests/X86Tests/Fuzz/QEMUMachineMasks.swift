internal import Support

/// What a machine of QEMU 7.2 has otherwise, by what differs: measured by `Tools/fuzz --against qemu --measure`. The
/// table is Tests/Guests/fuzz/qemu-masks.txt, where a line is a mask and its forms.
enum QEMUMachineMasks {
  static let text = String(decoding: bytesOfFile(SourceTree.root + "/Tests/Guests/fuzz/qemu-masks.txt"), as: UTF8.self)
}
