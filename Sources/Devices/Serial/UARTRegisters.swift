/// Register bits by their names in the PC16550D data sheet (National Semiconductor, June 1995).
enum UARTRegister {
  /// RBR (read), THR (write), DLL with DLAB.
  static let data: UInt16 = 0
  /// IER, DLM with DLAB.
  static let interruptEnable: UInt16 = 1
  /// IIR (read), FCR (write).
  static let interruptIdentification: UInt16 = 2
  static let lineControl: UInt16 = 3
  static let modemControl: UInt16 = 4
  static let lineStatus: UInt16 = 5
  static let modemStatus: UInt16 = 6
  static let scratch: UInt16 = 7
}

/// IER.
enum InterruptEnable {
  static let receivedData: UInt8 = 1 << 0
  static let transmitterEmpty: UInt8 = 1 << 1
  static let lineStatus: UInt8 = 1 << 2
  static let modemStatus: UInt8 = 1 << 3
  static let all: UInt8 = 0x0f
}

/// IIR bits 3:0, in falling priority.
enum InterruptIdentification {
  static let lineStatus: UInt8 = 0b0110
  static let receivedData: UInt8 = 0b0100
  static let characterTimeout: UInt8 = 0b1100
  static let transmitterEmpty: UInt8 = 0b0010
  static let modemStatus: UInt8 = 0b0000
  static let none: UInt8 = 0b0001
  /// Bits 7:6 while the FIFOs are on.
  static let fifosEnabled: UInt8 = 0b1100_0000
}

/// FCR.
enum FIFOControl {
  static let enable: UInt8 = 1 << 0
  static let resetReceiver: UInt8 = 1 << 1
  static let triggerMask: UInt8 = 0b1100_0000
}

/// LCR.
enum LineControl {
  static let wordLengthMask: UInt8 = 0b11
  static let stopBits: UInt8 = 1 << 2
  static let parityEnable: UInt8 = 1 << 3
  static let setBreak: UInt8 = 1 << 6
  static let divisorLatch: UInt8 = 1 << 7
}

/// MCR.
enum ModemControl {
  static let dataTerminalReady: UInt8 = 1 << 0
  static let requestToSend: UInt8 = 1 << 1
  static let out1: UInt8 = 1 << 2
  static let out2: UInt8 = 1 << 3
  static let loop: UInt8 = 1 << 4
  static let all: UInt8 = 0x1f
}

/// LSR.
enum LineStatus {
  static let dataReady: UInt8 = 1 << 0
  static let overrun: UInt8 = 1 << 1
  static let framingError: UInt8 = 1 << 3
  static let breakInterrupt: UInt8 = 1 << 4
  static let transmitterHoldingEmpty: UInt8 = 1 << 5
  static let transmitterEmpty: UInt8 = 1 << 6
  static let errorInFIFO: UInt8 = 1 << 7
  /// Parity error, framing error, break: they belong to one character.
  static let characterErrors: UInt8 = 0b1_1100
}

/// MSR.
enum ModemStatus {
  static let deltaClearToSend: UInt8 = 1 << 0
  static let deltaDataSetReady: UInt8 = 1 << 1
  static let trailingEdgeRing: UInt8 = 1 << 2
  static let deltaCarrierDetect: UInt8 = 1 << 3
  static let clearToSend: UInt8 = 1 << 4
  static let dataSetReady: UInt8 = 1 << 5
  static let ring: UInt8 = 1 << 6
  static let carrierDetect: UInt8 = 1 << 7
}
