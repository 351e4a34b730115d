internal import VMMCore

@testable internal import X86

/// Whom programs are compared with, beside the software CPU's blocks.
enum FuzzOracle {
  /// The host's CPU, or the emulator that takes its place (`Emulator`); KVM for what no process can execute.
  case host
  /// A machine of QEMU's translator.
  case qemu
  /// Nobody: the blocks, and what is translated of them, against the steps under the reference profile, whatever the
  /// host has.
  case steps

  /// What it does where the manuals leave it open.
  var profile: UndefinedProfile {
    switch self {
    case .host: OracleProfile.found
    case .qemu: UndefinedProfile.named.first { $0.name == "qemu-tcg" }?.profile ?? .reference
    case .steps: .reference
    }
  }

  /// It does not raise every fault that a CPU does.
  var isEmulator: Bool { self == .qemu || Emulator.isOracle }

  /// What no profile expresses, and an emulator's own ways.
  func mask(of form: InstructionForm, in mode: FuzzMode) -> OracleMask {
    let mask = profile.mask(of: form)
    switch self {
    case .qemu: return mask.union(Self.machineMasks[form.maskKey(in: mode)] ?? [])
    case .steps: return mask
    case .host: return mask.union(Emulator.isOracle ? Emulator.mask(of: form) : OracleProfile.mask(of: form))
    }
  }

  /// The masks of the table, by form.

  static let machineMasks = OracleMask.table(QEMUMachineMasks.text)
}
