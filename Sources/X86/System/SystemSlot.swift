/// Words of the state block that only the system family uses.
enum SystemSlot {
  /// The EXT bit of selector error codes: an event that did not come from an instruction is being delivered.
  static var external: Int { Slot.systemScratch }
  /// Debug conditions of the current instruction, as DR6 bits.
  static var debugStatus: Int { Slot.systemScratch + 1 }
  /// The current instruction does not end in a single-step trap.
  static var noTrap: Int { Slot.systemScratch + 2 }
  /// Deliveries since an instruction retired last.
  static var deliveries: Int { Slot.systemScratch + 3 }
  /// A watched access: whether there was one, its linear address, number of bytes, whether it was a store.
  static var stopReason: Int { Slot.systemScratch + 4 }
  static var stopLinear: Int { Slot.systemScratch + 5 }
  static var stopCount: Int { Slot.systemScratch + 6 }
  static var stopWrites: Int { Slot.systemScratch + 7 }
  /// A debugger has set breakpoints, watches ranges (`CPUCore`).
  static var hasBreakpoints: Int { Slot.systemScratch + 8 }
  static var hasWatches: Int { Slot.systemScratch + 9 }
  /// RFLAGS.RF as it was before the current instruction cleared it.
  static var resumeFlag: Int { Slot.systemScratch + 10 }
  /// A store to CR8 that lowers it kicks the run.
  static var stopsAtLowerPriority: Int { Slot.systemScratch + 11 }
  /// How often CPL has changed.
  static var levelChanges: Int { Slot.systemScratch + 12 }
  /// A stop at `filterAddress` only counts when the 16 general registers are those from `filterRegisters` on.
  static var hasFilter: Int { Slot.systemScratch + 13 }
  static var filterAddress: Int { Slot.systemScratch + 14 }
  static var filterRegisters: Int { Slot.systemScratch + 16 }
  /// `filterAddress` while there is a filter and there are no conditions, otherwise no address of 64-bit code: what
  /// translated code looks at first.
  static var plainFilterAddress: Int { Slot.systemScratch + 57 }
  /// The block interpreter runs: an access that is watched leaves it, so that the instruction is stepped.
  static var runsBlocks: Int { Slot.systemScratch + 32 }
  /// The next instruction is stepped.
  static var mustStep: Int { Slot.systemScratch + 33 }
  /// The next instruction has been fetched: a kick does not end the run before it.
  static var hasFetched: Int { Slot.systemScratch + 40 }
  /// The address of a `FootprintTable` that is being filled; 0 for none.
  static var footprint: Int { Slot.systemScratch + 34 }
  /// The first and the last of all watched bytes.
  static var firstWatched: Int { Slot.systemScratch + 35 }
  static var lastWatched: Int { Slot.systemScratch + 36 }
  /// An x87 error with CR0.NE clear is reported by leaving the run; it has been, and how often that was.
  static var reportsX87Errors: Int { Slot.systemScratch + 37 }
  static var hasX87Error: Int { Slot.systemScratch + 38 }
  static var x87Errors: Int { Slot.systemScratch + 39 }
  /// RFLAGS.IF while a run is to end where an external interrupt would be accepted; 0 otherwise.
  static var awaitedFlag: Int { Slot.systemScratch + 41 }
  /// The host address of a word of memory that the filter looks at too (0 for none), and what it is to hold.
  static var filterWord: Int { Slot.systemScratch + 42 }
  static var filterValue: Int { Slot.systemScratch + 43 }
  /// The address of the words of the `WatchedPagesTable`.
  static var watchedPages: Int { Slot.systemScratch + 44 }
  /// A block is translated when it is entered for the Nth time; 0 for never.
  static var translatesAfter: Int { Slot.systemScratch + 45 }
  /// Where translated code is entered (`Translator.Entry`), and the address of the TLB context's first entry there.
  static var translatedEntry: Int { Slot.systemScratch + 46 }
  static var tlbAddress: Int { Slot.systemScratch + 47 }
  /// `Translator.familyEntry`.
  static var familyEntry: Int { Slot.systemScratch + 48 }
  /// Translated code was left along a way: the end of its branch, 0 for one that cannot be bound.
  static var wayTaken: Int { Slot.systemScratch + 49 }
  /// The `GuestCode`.
  static var guestCode: Int { Slot.systemScratch + 51 }
  /// The address of the TLB entry that translated code has used for the stack last.
  static var stackEntry: Int { Slot.systemScratch + 52 }
  /// Some of the breakpoints have conditions, and the `StopConditions`.
  static var hasStopConditions: Int { Slot.systemScratch + 53 }
  static var stopConditions: Int { Slot.systemScratch + 54 }
  /// What translated code keeps while it looks for an address.
  static var translatedScratch: Int { Slot.systemScratch + 50 }
  /// Translated code has loaded the guest's MXCSR or x87 control word into the host's (`OpenFloats`); both as the
  /// host's own code expects them.
  static var floatsAreOpen: Int { Slot.systemScratch + 56 }
  static var hostMXCSR: Int { Slot.systemScratch + 55 }
  static var hostX87Control: Int { Slot.systemScratch + 60 }
}
