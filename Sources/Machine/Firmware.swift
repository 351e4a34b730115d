internal import Devices
public import Loaders
public import VMMCore

/// What the machine's firmware leaves in memory for kernels that look for it.
public enum Firmware {
  /// The ACPI tables, and the MP table if the CPU has an APIC.
  public static func tables(for model: CPUModel) -> FirmwareTables {
    let root = GuestPhysicalAddress(UInt64(ACPITables.standardAddress))
    var placements = [Placement(address: root, source: .bytes(ACPITables.make(at: ACPITables.standardAddress)))]
    if model.has(.apic) {
      let leaf = model.lookup(leaf: 1, subleaf: 0)
      let table = MPTable.make(at: MPTable.standardAddress, signature: leaf.eax, features: leaf.edx)
      let address = GuestPhysicalAddress(UInt64(MPTable.standardAddress))
      placements.append(Placement(address: address, source: .bytes(table)))
    }
    return FirmwareTables(placements: placements, rootPointer: root)
  }
}
