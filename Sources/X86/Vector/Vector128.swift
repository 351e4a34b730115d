/// The contents of an XMM register: low word first. MMX operations work on the low word.
typealias V128 = SIMD2<UInt64>

/// Any 16 bytes of lanes as a register's contents.
@inline(__always) func v128<Lanes>(_ lanes: Lanes) -> V128 { unsafeBitCast(lanes, to: V128.self) }

extension SIMD2<UInt64> {
  @inline(__always) init(low: UInt64, high: UInt64 = 0) { self.init(low, high) }

  @inline(__always) var u8: SIMD16<UInt8> { unsafeBitCast(self, to: SIMD16<UInt8>.self) }
  @inline(__always) var i8: SIMD16<Int8> { unsafeBitCast(self, to: SIMD16<Int8>.self) }
  @inline(__always) var u16: SIMD8<UInt16> { unsafeBitCast(self, to: SIMD8<UInt16>.self) }
  @inline(__always) var i16: SIMD8<Int16> { unsafeBitCast(self, to: SIMD8<Int16>.self) }
  @inline(__always) var u32: SIMD4<UInt32> { unsafeBitCast(self, to: SIMD4<UInt32>.self) }
  @inline(__always) var i32: SIMD4<Int32> { unsafeBitCast(self, to: SIMD4<Int32>.self) }
  @inline(__always) var i64: SIMD2<Int64> { unsafeBitCast(self, to: SIMD2<Int64>.self) }

  @inline(__always) var low: UInt64 {
    get { self[0] }
    set { self[0] = newValue }
  }
  @inline(__always) var high: UInt64 {
    get { self[1] }
    set { self[1] = newValue }
  }
}

extension SIMD where Scalar: FixedWidthInteger, MaskStorage.Scalar: FixedWidthInteger {
  /// All ones where the mask is set.
  @inline(__always) static func ones(_ mask: SIMDMask<MaskStorage>) -> Self {
    Self(repeating: 0).replacing(with: Self(repeating: ~0), where: mask)
  }
}
