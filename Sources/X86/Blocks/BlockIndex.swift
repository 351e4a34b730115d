#if canImport(Glibc)
  internal import Glibc
#endif

/// Finds blocks, by number: by physical address and RIP, and by the page of RIP.
struct BlockIndex: ~Copyable {
  private static let bucketCount = 1 << 16
  private static let linearBucketCount = 1 << 12

  private let blocks: UnsafeMutablePointer<Block>
  /// By physical address and RIP, the first block + 1.
  private let buckets: UnsafeMutablePointer<Int32>
  /// The same by the page of RIP, with those too that have been retired.
  private let linearBuckets: UnsafeMutablePointer<Int32>

  init(of store: borrowing BlockStore) {
    blocks = store.blocks
    buckets = zeroedMemory(BlockIndex.bucketCount)
    linearBuckets = zeroedMemory(BlockIndex.linearBucketCount)
  }

  deinit {
    free(buckets)
    free(linearBuckets)
  }

  private func bucket(_ physical: UInt64, _ rip: UInt64) -> Int {
    Int(truncatingIfNeeded: (physical ^ physical >> 14 ^ rip >> 20) & UInt64(BlockIndex.bucketCount - 1))
  }

  private func linearBucket(_ rip: UInt64) -> Int {
    Int(truncatingIfNeeded: rip >> 12 & UInt64(BlockIndex.linearBucketCount - 1))
  }

  /// The first block that may begin at an address, -1 for none; `Block.nextInBucket` leads on.
  func first(_ physical: UInt64, _ rip: UInt64) -> Int32 { buckets[bucket(physical, rip)] - 1 }

  /// The blocks that may begin in the page of a RIP, in no order that means anything; `body` may retire blocks. Those
  /// that are retired leave the list here.
  func forEach(inPageOf rip: UInt64, _ body: (UnsafeMutablePointer<Block>) -> Void) {
    let bucket = linearBucket(rip)
    var number = linearBuckets[bucket] - 1
    var kept: Int32 = 0
    while number >= 0 {
      let block = blocks + Int(number), next = block.pointee.nextInLinearBucket
      if !block.pointee.isRetired { body(block) }
      if !block.pointee.isRetired {
        block.pointee.nextInLinearBucket = kept - 1
        kept = number + 1
      }
      number = next
    }
    linearBuckets[bucket] = kept
  }

  func insert(_ number: Int32) {
    let block = blocks + Int(number)
    let bucket = bucket(block.pointee.physical, block.pointee.rip)
    block.pointee.nextInBucket = buckets[bucket] - 1
    buckets[bucket] = number + 1
    let linearBucket = linearBucket(block.pointee.rip)
    block.pointee.nextInLinearBucket = linearBuckets[linearBucket] - 1
    linearBuckets[linearBucket] = number + 1
  }

  /// A block is not found by its address any more.
  func remove(_ number: Int32) {
    let block = blocks + Int(number)
    let bucket = bucket(block.pointee.physical, block.pointee.rip)
    if buckets[bucket] == number + 1 {
      buckets[bucket] = block.pointee.nextInBucket + 1
      return
    }
    var at = buckets[bucket] - 1
    while at >= 0 {
      let here = blocks + Int(at)
      if here.pointee.nextInBucket == number {
        here.pointee.nextInBucket = block.pointee.nextInBucket
        return
      }
      at = here.pointee.nextInBucket
    }
  }

  func clear() {
    buckets.update(repeating: 0, count: BlockIndex.bucketCount)
    linearBuckets.update(repeating: 0, count: BlockIndex.linearBucketCount)
  }
}
