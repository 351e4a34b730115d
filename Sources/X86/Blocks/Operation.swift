/// What the block interpreter and the translator go by: an instruction in the form in which it is carried out, or a
/// place between instructions. The instruction itself stays as it was decoded, and lies apart: most forms need no more
/// than is here.
struct Operation {
  /// A fast form, or the instruction's own family.
  var handler: Handler = .undefined
  /// Instructions in the block from this one on.
  var left: UInt8 = 0
  /// The operands as the form takes them: which is the destination, what is left of an immediate, for a comparison
  /// joined with a branch its `TruthTable`.
  var reg: UInt8 = 0
  var rm: UInt8 = 0
  var kind: UInt8 = 0
  /// The parts of a memory operand's address, as in `Instruction`.
  var base: UInt8 = 128
  var index: UInt8 = 128
  var scale: UInt8 = 0
  var segmentSlot: UInt8 = 128
  /// Nobody sees the status flags that it sets.
  var flagsAreDead = false
  var displacement: UInt64 = 0
  /// Of a head: the address of the byte that says that its block has been entered.
  var immediate: UInt64 = 0
  /// Of a way to another block: the head that it is linked to. Of a head: its `Block`. 0 for none.
  var link: UInt64 = 0

  init(_ handler: Handler) { self.handler = handler }

  /// The instruction as it is.
  init(_ instruction: Instruction) {
    handler = instruction.handler
    left = 1
    reg = instruction.reg
    rm = instruction.rm
    kind = instruction.kind
    base = instruction.base
    index = instruction.index
    scale = instruction.scale
    segmentSlot = instruction.segmentSlot
    displacement = instruction.displacement
    immediate = instruction.immediate
  }
}

/// How operations are passed around.
typealias OperationPointer = UnsafeMutablePointer<Operation>

extension OperationPointer {
  /// Where its instruction is decoded to: all instructions lie behind all operations, which are as long.
  @inline(__always) var decoded: UnsafeMutablePointer<Instruction> {
    UnsafeMutableRawPointer(self + BlockStore.operationCapacity).assumingMemoryBound(to: Instruction.self)
  }
  /// As it was decoded.
  @inline(__always) var instruction: Op { Op(decoded) }
  @inline(__always) var handler: Handler { pointee.handler }
  @inline(__always) var left: UInt64 { UInt64(pointee.left) }
  @inline(__always) var reg: UInt8 { pointee.reg }
  @inline(__always) var rm: UInt8 { pointee.rm }
  @inline(__always) var kind: UInt8 { pointee.kind }
  @inline(__always) var immediate: UInt64 { pointee.immediate }

  @inline(__always) var size: Int { instruction.size }
  @inline(__always) var base: UInt8 { pointee.base }
  @inline(__always) var index: UInt8 { pointee.index }
  @inline(__always) var scale: UInt8 { pointee.scale }
  @inline(__always) var segmentSlot: UInt8 { pointee.segmentSlot }
  @inline(__always) var displacement: UInt64 { pointee.displacement }
  @inline(__always) var rip: UInt64 { instruction.rip }
  @inline(__always) var next: UInt64 { instruction.next }
  @inline(__always) var isMemory: Bool { instruction.isMemory }
  @inline(__always) var isPlainAddress: Bool { instruction.isPlainAddress }

  /// The head that a way to another block is linked to.
  @inline(__always) var linked: OperationPointer? { OperationPointer(bitPattern: UInt(pointee.link)) }
  /// A head's block.
  @inline(__always) var block: UnsafeMutablePointer<Block> {
    UnsafeMutablePointer<Block>(bitPattern: UInt(pointee.link)).unsafelyUnwrapped
  }

  /// A head's block has been entered: footprints are made of that.
  @inline(__always) func noteEntry() {
    UnsafeMutablePointer<UInt8>(bitPattern: UInt(immediate)).unsafelyUnwrapped.pointee = 1
  }

  /// The offset of the instruction that a way to another block leads on from: a block's end, which has no bytes,
  /// follows the last one.
  @inline(__always) var origin: UInt64 {
    instruction.pointee.length != 0 ? instruction.rip : (self - 1).instruction.rip
  }
}
