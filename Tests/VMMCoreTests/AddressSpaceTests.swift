import Testing
import VMMCore

@Suite struct AddressSpaceTests {
  @Test func pcidAndNoFlushAreNoPartOfIt() {
    #expect(AddressSpace(cr3: 0x8000_0000_1234_5abc) == AddressSpace(cr3: 0x1234_5000))
    #expect(AddressSpace(cr3: 0x1234_5000).description == "0x12345000")
  }

  @Test func ofAMachine() {
    var state = CPUState()
    state.cr3 = 0x1234_5fff
    state.cr0 = 0
    #expect(AddressSpace(state) == nil, "no paging")
    state.cr0 = 1 << 31
    state.cr4 = 0
    #expect(AddressSpace(state)?.root == 0x1234_5000)
    state.cr4 = 1 << 5
    state.efer = 0
    #expect(AddressSpace(state)?.root == 0x1234_5fe0, "tables of 32 bytes")
    state.efer = 1 << 10
    #expect(AddressSpace(state)?.root == 0x1234_5000)
  }

  @Test func twinsLeadToTheSameTables() {
    #expect(AddressSpace(cr3: 0x4000).twin == AddressSpace(cr3: 0x5000))
    #expect(AddressSpace(cr3: 0x5000).twin == AddressSpace(cr3: 0x4000))
    // The kernel's entry has NX set, and was walked.
    #expect(AddressSpace.areTwins((0x8000_0000_0700_0067, 0x0700_0007)))
    #expect(!AddressSpace.areTwins((0x0700_0067, 0x0701_0067)))
    #expect(!AddressSpace.areTwins((0, 0)), "nothing is there")
    #expect(!AddressSpace.areTwins((0x0700_0067, 0x0700_0066)))
  }
}
