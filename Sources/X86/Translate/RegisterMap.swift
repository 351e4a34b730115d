/// Which of the guest's general registers lie in which of the host's. The same in all translated code, so blocks lead
/// to each other with nothing to load or to write back.
enum RegisterMap {
  /// What translated code keeps all the time: the state block, the status flags (`HostFlags`), and how many more
  /// instructions may retire (`Slot.remaining`).
  static var state: HostRegister { .rbx }
  static var flags: HostRegister { .r(12) }
  static var budget: HostRegister { .r(13) }
  // RAX, RCX and RDX are nobody's for long. The registers of the guest that have none of the host's lie in the state
  // block: R8 to R15 but R12, which compilers use least.

  static var mapped: [(guest: Int, host: HostRegister)] {
    [
      (GPR.rax, .r(8)), (GPR.rcx, .r(9)), (GPR.rdx, .r(10)), (GPR.rbx, .r(14)), (GPR.rsp, rsp), (GPR.rbp, .rbp),
      (GPR.rsi, .rsi), (GPR.rdi, .rdi), (12, .r(11)),
    ]
  }

  static var rsp: HostRegister { .r(15) }

  private static let hosts: [HostRegister?] = {
    var hosts: [HostRegister?] = Array(repeating: nil, count: 16)
    for pair in mapped { hosts[pair.guest] = pair.host }
    return hosts
  }()

  /// `nil` for one that lies in the state block.
  static func host(_ guest: Int) -> HostRegister? { hosts[guest] }

  /// A word of the state block.
  static func slot(_ number: Int) -> HostOperand { .memory(state, Int32(8 * number)) }

  /// Where a guest register is.
  static func operand(_ guest: Int) -> HostOperand { host(guest).map { .register($0) } ?? slot(guest) }
}
