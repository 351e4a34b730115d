/// One run of decoded instructions, from one page (or one instruction across two).
struct Block {
  /// The physical address of its first byte.
  var physical: UInt64 = 0
  /// The physical page of an instruction's second part, which may be the first one again; `noPage` when it does not
  /// cross pages.
  var secondPage = Block.noPage
  var rip: UInt64 = 0
  /// `CPU.blockMode`.
  var mode: UInt64 = 0
  /// The numbers of its pages among those of guest memory; -1 for a second one that is not there.
  var pageNumber: Int32 = -1
  var secondPageNumber: Int32 = -1
  /// Where its operations lie in the store, and how many they are with those that end the block.
  var firstOp: Int32 = 0
  var opCount: Int32 = 0
  /// Bytes of code.
  var length: Int32 = 0
  /// It ends where it does because runs are to stop there.
  var isCut = false
  /// It is not found any more.
  var isRetired = false
  /// The next block of the same bucket, and of the same (first, second) page; -1 ends the list.
  var nextInBucket: Int32 = -1
  var nextInPage: Int32 = -1
  var nextInSecondPage: Int32 = -1
  /// The next one whose RIP lies in a page of the same linear bucket.
  var nextInLinearBucket: Int32 = -1
  /// How often it is interpreted before it is translated (`.heat`).
  var heat: UInt64 = 0
  /// Where its host code is executed (`.translated`), 0 where there is none.
  var code: UInt64 = 0
  /// The first of the ways that lead straight to that code (`Translator.Binding`), by its number from 1 on; 0 for none.
  var firstBinding = 0

  /// No address of a page.
  static var noPage: UInt64 { 1 }
  var crossesPages: Bool { secondPage != Block.noPage }
}
