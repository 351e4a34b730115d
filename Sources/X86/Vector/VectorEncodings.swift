/// What the decoder needs to know of an MMX or SSE opcode.
enum VectorEncoding {
  /// #UD.
  case none
  case plain
  /// An 8-bit immediate follows.
  case immediate
}

/// Whether an MMX or SSE instruction exists. `map` is 1 (0F), 2 (0F 38) or 3 (0F 3A).
func vectorEncoding(
  map: Int, opcode: UInt8, prefix: MandatoryPrefix, modRMReg: UInt8, isMemory: Bool, rexW: Bool
) -> VectorEncoding {
  .none
}
