import Testing
import VMMCore

@testable import GDBStub

/// `kernel-symbols` and the file that it makes, as gdb's `remote get` takes it.
@Suite struct FilePacketTests {
  private let find = "qRcmd," + hexText("kernel-symbols")
  private let open = "vFile:open:" + hexText("kernel-symbols") + ",0,0"

  @Test func aKernelsSymbols() throws {
    let target = KernelTarget()
    let packets = [find, open, "vFile:pread:0,4,0", "vFile:pread:0,10,7fffffff", "vFile:close:0"]
    let replies = Conversation(packets, target: target).replies
    #expect(monitorText([replies[0]]).hasPrefix("700 symbols of the kernel, no stack frames: "))
    #expect(Array(replies.dropFirst()) == ["F0", "F4;\u{7f}ELF", "F0;", "F0"])
  }

  @Test func nothingThere() {
    #expect(monitor("kernel-symbols").hasPrefix("error: nothing is mapped where a 64-bit Linux has its image"))
    #expect(monitor("kernel-symbols far").hasPrefix("error: wrong arguments"))
    let target = KernelTarget()
    target.image.order = .from64
    target.bytes = [UInt8](repeating: 0, count: 0x10000)
    let text = monitorText(Conversation([find], target: target).replies)
    #expect(text.hasPrefix("error: there are no symbols where a 64-bit Linux has its image"))
  }

  /// No file of the host's, none before it is made, none to be written.
  @Test(arguments: [
    ("vFile:open:2f6574632f706173737764,0,0", "F-1,2"), ("vFile:pread:0,4,0", "F-1,9"), ("vFile:close:0", "F-1,9"),
    ("vFile:open:2f,0", "E16"), ("vFile:open:2,0,0", "E16"), ("vFile:unlink:2f", ""),
  ])
  func noFile(_ packet: String, _ answer: String) { #expect(reply(packet) == answer) }

  @Test func onlyForReading() {
    let replies = Conversation([find, open.dropLast(3) + "601,0", open], target: KernelTarget()).replies
    #expect(Array(replies.dropFirst()) == ["F-1,2", "F0"])
  }
}

/// A machine in 64-bit code with a kernel's symbols in its memory.
private final class KernelTarget: MinimalTarget {
  var image = KallsymsImage(order: .before64, isRelative: true)
  lazy var bytes = image.bytes

  override func readMemory(at address: UInt64, count: Int) -> [UInt8] {
    guard address >= KallsymsImage.base, address - KallsymsImage.base < UInt64(bytes.count) else { return [] }
    return Array(bytes[Int(address - KallsymsImage.base)...].prefix(count))
  }

  override func registers() throws(TargetError) -> CPUState {
    var state = FakeCPU.initialState
    state.cr0 = 1 << 31 | 1
    state.cr4 = 1 << 5
    state.efer = 1 << 10 | 1 << 8
    return state
  }
}
