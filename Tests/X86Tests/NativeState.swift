internal import KVM
import NativeOracle
internal import VMMCore

extension NativeState {
  /// All zero, with the x87 and SSE control words of a new process and a stack in the operand area.
  static var initial: NativeState {
    var state = NativeState()
    state.setField(0, UInt16(0x37f))
    state.setField(24, UInt32(0x1f80))
    state.gpr.4 = UInt64(NATIVE_MEMORY_ADDRESS + NATIVE_MEMORY_SIZE)
    return state
  }

  /// Runs `code` on the host. Returns the vector of the exception that stopped it, or nil when it ran to its end.
  mutating func run(_ code: [UInt8]) -> Int? {
    var none: [UInt8] = []
    return run(code, memory: &none)
  }

  mutating func run(_ code: [UInt8], memory: inout [UInt8]) -> Int? {
    // The host is asked once, with signal handlers of its own: not while code runs here.
    _ = UndefinedProfile.host
    let size = memory.count
    let vector = unsafe memory.withUnsafeMutableBufferPointer { buffer in
      unsafe native_execute(&self, code, code.count, buffer.baseAddress, size)
    }
    return vector < 0 ? nil : Int(vector)
  }

  /// A field of the FXSAVE image, at its byte offset.
  func field<Value: BitwiseCopyable>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
    unsafe withUnsafeBytes(of: fx) { image in unsafe image.loadUnaligned(fromByteOffset: offset, as: type) }
  }

  mutating func setField(_ offset: Int, _ value: some BitwiseCopyable) {
    unsafe withUnsafeMutableBytes(of: &fx) { image in
      unsafe withUnsafeBytes(of: value) { bytes in
        for index in 0..<bytes.count { unsafe image[offset + index] = bytes[index] }
      }
    }
  }
}
