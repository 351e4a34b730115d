import GDBStub
import VMMCore

/// What a target must have, and nothing that the protocol gives it: no checkpoints, no diversions.
class MinimalTarget: DebugTarget {
  func registers() throws(TargetError) -> CPUState { FakeCPU.initialState }
  func readMemory(at address: UInt64, count: Int) -> [UInt8] { [] }
  func isUserMemory(at address: UInt64, in space: AddressSpace) -> Bool { false }
  func readPhysicalMemory(at address: GuestPhysicalAddress, count: Int) -> [UInt8] { [] }
  var position: Position { .begin }
  var recording: RecordingInfo { RecordingInfo(name: "minimal", end: .begin) }
  func resume(_ request: ResumeRequest, control: any ResumeControl) throws(TargetError) -> StopReport { .end }
  func seek(_ destination: Destination, control: any ResumeControl) throws(TargetError) -> StopReport { .step }
}
