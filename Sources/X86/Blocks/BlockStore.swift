#if canImport(Glibc)
  internal import Glibc
#endif

/// Memory of zeros that costs nothing until it is touched; to be given back by `free`.
func zeroedMemory<T>(_ count: Int) -> UnsafeMutablePointer<T> {
  guard let memory = calloc(count, MemoryLayout<T>.stride) else { fatalError("out of memory") }
  return memory.bindMemory(to: T.self, capacity: count)
}

/// Blocks and their operations, in plain memory. They are added one by one, and dropped all at once.
struct BlockStore: ~Copyable {
  static var operationCapacity: Int { 1 << 20 }
  static var blockCapacity: Int { 1 << 18 }

  let blocks: UnsafeMutablePointer<Block>
  private(set) var count = 0
  /// Operations, and behind them all their instructions (`OperationPointer.decoded`).
  private let operations: OperationPointer
  private var usedOperations = 0

  init() {
    blocks = zeroedMemory(BlockStore.blockCapacity)
    operations = zeroedMemory(2 * BlockStore.operationCapacity)
  }

  deinit {
    free(blocks)
    free(operations)
  }

  /// There may be no room for the next block.
  var isFull: Bool {
    usedOperations + BlockBuilder.capacity > BlockStore.operationCapacity || count == BlockStore.blockCapacity
  }

  /// Where the next block and its operations will be.
  var nextBlock: UnsafeMutablePointer<Block> { blocks + count }
  var nextHead: OperationPointer { operations + usedOperations }

  /// Adds a block whose operations have been put in place; its number.
  mutating func append(_ block: Block) -> Int32 {
    let number = Int32(count)
    blocks[count] = block
    blocks[count].firstOp = Int32(usedOperations)
    count += 1
    usedOperations += Int(block.opCount)
    return number
  }

  mutating func clear() {
    count = 0
    usedOperations = 0
  }

  func head(of block: UnsafeMutablePointer<Block>) -> OperationPointer { operations + Int(block.pointee.firstOp) }
}
