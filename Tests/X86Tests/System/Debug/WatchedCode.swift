import Testing

/// Instructions under the guest's own debug registers, and the stops that a family 19h processor makes of them
/// (measured with a debugger on Linux).
struct WatchedCode: Sendable, CustomTestStringConvertible {
  var name = ""
  var code: [UInt8] = []
  /// Where the breakpoint is, from the code (execution) or the data on.
  var offset = 0
  /// R/W of DR7: 0 execution, 1 writes, 3 all accesses.
  var kind: UInt64 = 0
  var length: UInt64 = 1
  /// All of it is single-stepped.
  var steps = false
  /// The signal (5 #DB or #BP, 11 #GP, 4 #UD), the offset of RIP, RCX, DR6, and "rf" when RF is set in the frame, as
  /// the debugger itself does at execution breakpoints.
  var stops: [String] = []

  var testDescription: String { name }

  /// Lines of `table`: the name; code, x, w or rw with length and offset, "steps"; then, further in, the stops.
  static let all: [WatchedCode] = {
    var cases: [WatchedCode] = []
    for line in table.split(separator: "\n") {
      let isInner = line.hasPrefix("  ")
      let text = line.drop { $0 == " " }
      if isInner {
        cases[cases.count - 1].stops += text.split(separator: ",").map { String($0.drop { $0 == " " }) }
      } else {
        cases.append(WatchedCode(line: text))
      }
    }
    return cases
  }()

  private init(line: Substring) {
    let parts = line.split(separator: ":")
    name = String(parts[0])
    let words = parts[1].split(separator: " ")
    code = stride(from: 0, to: words[0].count, by: 2).compactMap {
      UInt8(words[0].dropFirst($0).prefix(2), radix: 16)
    }
    kind = words[1] == "x" ? 0 : words[1] == "w" ? 1 : 3
    length = UInt64(words[2]) ?? 1
    offset = Int(words[3]) ?? 0
    steps = words.count > 4
  }
}

private let table = """
  store byte: c60701909090 w 1 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  store same value: c60711909090 w 1 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  load rw: 8b07909090 rw 4 0
    5 +2 cx0 dr6 1, 11 +5 cx0 dr6 0 rf
  load w: 8b07909090 w 4 0
    11 +5 cx0 dr6 0 rf
  straddle left: 488947fc909090 w 4 0
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  straddle right: 48894702909090 w 4 4
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  next to: c6470401909090 w 4 0
    11 +7 cx0 dr6 0 rf
  mov ss mem: 66c70723008e179090909090 rw 2 0
    5 +5 cx0 dr6 1, 5 +8 cx0 dr6 1, 11 +12 cx0 dr6 0 rf
  pop ss? mov ss w: 66c70723008e17c6470801909090 w 1 8
    5 +11 cx0 dr6 1, 11 +14 cx0 dr6 0 rf
  lss mem: 66c747042300c707000000000fb2079090909090 rw 2 4
    5 +6 cx0 dr6 1, 5 +15 cx0 dr6 1, 11 +20 cx0 dr6 0 rf
  rep stosb: b908000000f3aa909090 w 1 4
    5 +5 cx3 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  rep stosb 100: b964000000f3aa909090 w 1 64
    5 +5 cx35 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  rep stosq: b908000000f348ab909090 w 4 20
    5 +5 cx5 dr6 1 rf, 11 +11 cx0 dr6 0 rf
  rep movsb src: b964000000488d77004881c700010000f3a4909090 rw 1 64
    5 +16 cx35 dr6 1 rf, 11 +21 cx0 dr6 0 rf
  repe cmpsb: b910000000488d7720f3a6909090 rw 1 4
    5 +9 cx11 dr6 1, 11 +14 cx0 dr6 0 rf
  push: 4889fc50909090 w 8 -8
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  call: 4889fce800000000909090 w 8 -8
    5 +8 cx0 dr6 1, 11 +11 cx0 dr6 0 rf
  enter: 4889fcc8100000909090 w 8 -8
    5 +7 cx0 dr6 1, 11 +10 cx0 dr6 0 rf
  cmpxchg fail: b8050000000fb10f909090 w 4 0
    5 +8 cx0 dr6 1, 11 +11 cx0 dr6 0 rf
  lock cmpxchg ok: b811111111f00fb10f909090 w 4 0
    5 +9 cx0 dr6 1, 11 +12 cx0 dr6 0 rf
  cmpxchg8b fail: 0fc70f909090 w 4 4
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  xchg: 8707909090 w 4 0
    5 +2 cx0 dr6 1, 11 +5 cx0 dr6 0 rf
  bt reg off: b8280000000fa307909090 rw 1 5
    5 +8 cx0 dr6 1, 11 +11 cx0 dr6 0 rf
  bts: 0fba2f00909090 w 1 0
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  shl cl=0: 31c9d327909090 w 4 0
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  cmov false: 31c0480f4507909090 rw 8 0
    5 +6 cx0 dr6 1, 11 +9 cx0 dr6 0 rf
  setz: 0f9407909090 w 1 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  fxsave: 0fae07909090 w 8 416
    11 +6 cx0 dr6 0 rf
  fxsave reserved: 0fae07909090 w 8 504
    11 +6 cx0 dr6 0 rf
  fnstenv: d937909090 w 4 24
    5 +2 cx0 dr6 1, 11 +5 cx0 dr6 0 rf
  fstp80: d9e8db3f909090 w 2 8
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  movups: 0f114703909090 w 2 16
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  movlps: 0f1307909090 w 1 8
    11 +6 cx0 dr6 0 rf
  maskmovdqu: 660fefc0660f76c9660f73f908660ff7c1909090 w 4 0
    11 +20 cx0 dr6 0 rf
  maskmovdqu hit: 660fefc0660f76c9660f73f908660ff7c1909090 w 4 8
    5 +17 cx0 dr6 1, 11 +20 cx0 dr6 0 rf
  movnti: 0fc307909090 w 4 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  stmxcsr: 0fae1f909090 w 4 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  prefetch: 0f180f909090 rw 8 0
    11 +6 cx0 dr6 0 rf
  clflush: 0fae3f909090 rw 8 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  lea: 488d07909090 rw 8 0
    11 +6 cx0 dr6 0 rf
  nop mem: 0f1f07909090 rw 8 0
    11 +6 cx0 dr6 0 rf
  exec nop: 909090909090 x 1 1
    5 +1 cx0 dr6 1 rf, 11 +6 cx0 dr6 0 rf
  exec rep: b908000000f3aa909090 x 1 5
    5 +5 cx8 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  exec after mov ss: b8230000008ed09090909090 x 1 7
    5 +7 cx0 dr6 1 rf, 11 +12 cx0 dr6 0 rf
  exec at mov ss: b8230000008ed09090909090 x 1 5
    5 +5 cx0 dr6 1 rf, 11 +12 cx0 dr6 0 rf
  exec middle: b82300000090909090 x 1 2
    11 +9 cx0 dr6 0 rf
  exec jmp target: eb019090909090 x 1 3
    5 +3 cx0 dr6 1 rf, 11 +7 cx0 dr6 0 rf
  exec jmp self: b903000000e2fe909090 x 1 5
    5 +5 cx3 dr6 1 rf, 5 +5 cx2 dr6 1 rf, 5 +5 cx1 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  exec ud2: 900f0b x 1 1
    5 +1 cx0 dr6 1 rf, 4 +1 cx0 dr6 0 rf
  exec int3: 90cc90 x 1 1
    5 +1 cx0 dr6 1 rf, 5 +2 cx0 dr6 0, 11 +3 cx0 dr6 0 rf
  step rep: b904000000f3aa909090 w 1 100 steps
    5 +5 cx4 dr6 4000, 5 +5 cx3 dr6 4000 rf, 5 +5 cx2 dr6 4000 rf, 5 +5 cx1 dr6 4000 rf, 5 +7 cx0 dr6 4000,
    5 +8 cx0 dr6 4000, 5 +9 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 11 +10 cx0 dr6 0 rf
  step rep watch: b904000000f3aa909090 w 1 2 steps
    5 +5 cx4 dr6 4000, 5 +5 cx3 dr6 4000 rf, 5 +5 cx2 dr6 4000 rf, 5 +5 cx1 dr6 4001 rf, 5 +7 cx0 dr6 4000,
    5 +8 cx0 dr6 4000, 5 +9 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 11 +10 cx0 dr6 0 rf
  step mov ss: b8230000008ed09090909090 w 1 100 steps
    5 +5 cx0 dr6 4000, 5 +8 cx0 dr6 4000, 5 +9 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 5 +11 cx0 dr6 4000,
    5 +12 cx0 dr6 4000, 11 +12 cx0 dr6 0 rf
  step mov ss watch: 66c70723008e179090909090 rw 2 0 steps
    5 +5 cx0 dr6 4001, 5 +8 cx0 dr6 4001, 5 +9 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 5 +11 cx0 dr6 4000,
    5 +12 cx0 dr6 4000, 11 +12 cx0 dr6 0 rf
  step popf: 9c9d90909090 w 1 100 steps
    5 +1 cx0 dr6 4000, 5 +2 cx0 dr6 4000, 5 +3 cx0 dr6 4000, 5 +4 cx0 dr6 4000, 5 +5 cx0 dr6 4000,
    5 +6 cx0 dr6 4000, 11 +6 cx0 dr6 0 rf
  step iretq: 4889e06a23509c6a2b488d05030000005048cf9090909090 w 1 100 steps
    5 +3 cx0 dr6 4000, 5 +5 cx0 dr6 4000, 5 +6 cx0 dr6 4000, 5 +7 cx0 dr6 4000, 5 +9 cx0 dr6 4000,
    5 +16 cx0 dr6 4000, 5 +17 cx0 dr6 4000, 5 +19 cx0 dr6 4000, 5 +20 cx0 dr6 4000, 5 +21 cx0 dr6 4000,
    5 +22 cx0 dr6 4000, 5 +23 cx0 dr6 4000, 5 +24 cx0 dr6 4000, 11 +24 cx0 dr6 0 rf
  step exec: 909090909090 x 1 1 steps
    5 +1 cx0 dr6 4000, 5 +1 cx0 dr6 1 rf, 5 +2 cx0 dr6 4000, 5 +3 cx0 dr6 4000, 5 +4 cx0 dr6 4000,
    5 +5 cx0 dr6 4000, 5 +6 cx0 dr6 4000, 11 +6 cx0 dr6 0 rf
  rep scasb: b910000000b011f3ae909090 rw 1 4
    5 +7 cx11 dr6 1, 11 +12 cx0 dr6 0 rf
  repne scasb: b910000000b012f2ae909090 rw 1 4
    5 +7 cx11 dr6 1, 11 +12 cx0 dr6 0 rf
  repne scasb last: b905000000b012f2ae909090 rw 1 4
    5 +9 cx0 dr6 1, 11 +12 cx0 dr6 0 rf
  rep scasb stop at hit: b910000000b011c6470433f3ae909090 rw 1 4
    5 +11 cx16 dr6 1, 5 +13 cx11 dr6 1, 11 +16 cx11 dr6 0 rf
  rep lodsb: b9100000004889fef3ac909090 rw 1 4
    5 +8 cx11 dr6 1, 11 +13 cx0 dr6 0 rf
  rep lodsb last: b9050000004889fef3ac909090 rw 1 4
    5 +10 cx0 dr6 1, 11 +13 cx0 dr6 0 rf
  rep stosb last: b905000000f3aa909090 w 1 4
    5 +7 cx0 dr6 1, 11 +10 cx0 dr6 0 rf
  rep stosb first: b905000000f3aa909090 w 1 0
    5 +5 cx4 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  rep movsb dst: b964000000488d77004881c700010000f3a4909090 w 1 320
    5 +16 cx35 dr6 1 rf, 11 +21 cx0 dr6 0 rf
  rep movsq dst: b964000000488d77004881c700040000f348a5909090 w 1 1088
    5 +16 cx91 dr6 1 rf, 11 +22 cx0 dr6 0 rf
  rep cmpsb last: b905000000488d7720f3a6909090 rw 1 4
    5 +11 cx0 dr6 1, 11 +14 cx0 dr6 0 rf
  rep cmpsb 2nd: b910000000488d7720f3a6909090 rw 1 36
    5 +9 cx11 dr6 1, 11 +14 cx0 dr6 0 rf
  rep cmpsb w8: b910000000488d7720f3a6909090 rw 8 0
    5 +9 cx15 dr6 1, 5 +9 cx14 dr6 1, 5 +9 cx13 dr6 1, 5 +9 cx12 dr6 1, 5 +9 cx11 dr6 1, 5 +9 cx10 dr6 1,
    5 +9 cx9 dr6 1, 5 +9 cx8 dr6 1, 11 +14 cx0 dr6 0 rf
  rep stosb w8: b910000000f3aa909090 w 8 0
    5 +5 cx15 dr6 1 rf, 5 +5 cx14 dr6 1 rf, 5 +5 cx13 dr6 1 rf, 5 +5 cx12 dr6 1 rf, 5 +5 cx11 dr6 1 rf,
    5 +5 cx10 dr6 1 rf, 5 +5 cx9 dr6 1 rf, 5 +5 cx8 dr6 1 rf, 11 +10 cx0 dr6 0 rf
  step cmpsb: b904000000488d7720f3a6909090 w 1 100 steps
    5 +5 cx4 dr6 4000, 5 +9 cx4 dr6 4000, 5 +9 cx3 dr6 4000, 5 +9 cx2 dr6 4000, 5 +9 cx1 dr6 4000,
    5 +11 cx0 dr6 4000, 5 +12 cx0 dr6 4000, 5 +13 cx0 dr6 4000, 5 +14 cx0 dr6 4000, 11 +14 cx0 dr6 0 rf
  step scasb: b904000000b011f3ae909090 w 1 100 steps
    5 +5 cx4 dr6 4000, 5 +7 cx4 dr6 4000, 5 +7 cx3 dr6 4000, 5 +7 cx2 dr6 4000, 5 +7 cx1 dr6 4000,
    5 +9 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 5 +11 cx0 dr6 4000, 5 +12 cx0 dr6 4000, 11 +12 cx0 dr6 0 rf
  step lodsb: b9040000004889fef3ac909090 w 1 100 steps
    5 +5 cx4 dr6 4000, 5 +8 cx4 dr6 4000, 5 +8 cx3 dr6 4000, 5 +8 cx2 dr6 4000, 5 +8 cx1 dr6 4000,
    5 +10 cx0 dr6 4000, 5 +11 cx0 dr6 4000, 5 +12 cx0 dr6 4000, 5 +13 cx0 dr6 4000, 11 +13 cx0 dr6 0 rf
  step rep cx0: 31c9f3aa909090 w 1 100 steps
    5 +2 cx0 dr6 4000, 5 +4 cx0 dr6 4000, 5 +5 cx0 dr6 4000, 5 +6 cx0 dr6 4000, 5 +7 cx0 dr6 4000,
    11 +7 cx0 dr6 0 rf
  step int3: 90cc90909090 w 1 100 steps
    5 +1 cx0 dr6 4000, 5 +2 cx0 dr6 0, 5 +3 cx0 dr6 4000, 5 +4 cx0 dr6 4000, 5 +5 cx0 dr6 4000,
    5 +6 cx0 dr6 4000, 11 +6 cx0 dr6 0 rf
  step ud2: 900f0b90909090 w 1 100 steps
    5 +1 cx0 dr6 4000, 4 +1 cx0 dr6 0 rf
  movss watch then fault: 66c70723008e170f0b909090 rw 2 0
    5 +5 cx0 dr6 1, 4 +7 cx0 dr6 0 rf
  movss watch then movss: 66c70723008e178e179090909090 rw 2 0
    5 +5 cx0 dr6 1, 5 +10 cx0 dr6 1, 11 +14 cx0 dr6 0 rf
  movss movss exec: b8230000008ed08ed09090909090 x 1 9
    5 +9 cx0 dr6 1 rf, 11 +14 cx0 dr6 0 rf
  step movss movss: b8230000008ed08ed09090909090 w 1 100 steps
    5 +5 cx0 dr6 4000, 5 +10 cx0 dr6 4000, 5 +11 cx0 dr6 4000, 5 +12 cx0 dr6 4000, 5 +13 cx0 dr6 4000,
    5 +14 cx0 dr6 4000, 11 +14 cx0 dr6 0 rf
  movss reg then store w: b8230000008ed0c6070190909090 w 1 0
    5 +10 cx0 dr6 1, 11 +14 cx0 dr6 0 rf
  pushf: 4889fc9c909090 w 8 -8
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  pop mem: 548f07909090 w 8 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  movs one: 488d7720a4909090 w 1 0
    5 +5 cx0 dr6 1, 11 +8 cx0 dr6 0 rf
  xlat: 4889fb31c0d7909090 rw 1 0
    5 +6 cx0 dr6 1, 11 +9 cx0 dr6 0 rf
  leave: 4889fdc9909090 rw 8 0
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  ret 8: 4889fc488d0504000000488907c390909090 rw 8 0
    5 +13 cx0 dr6 1, 5 +14 cx0 dr6 1, 11 +18 cx0 dr6 0 rf
  cmpxchg16b fail: 480fc70f909090 w 4 12
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  movdqa store: 660f7f07909090 w 4 12
    5 +4 cx0 dr6 1, 11 +7 cx0 dr6 0 rf
  movhps: 0f1707909090 w 1 0
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  fst32: d9e8d917909090 w 4 4
    11 +7 cx0 dr6 0 rf
  fxrstor?: 0fae070fae0f909090 rw 8 400
    5 +3 cx0 dr6 1, 5 +6 cx0 dr6 1, 11 +9 cx0 dr6 0 rf
  fxrstor reserved: 0fae070fae0f909090 rw 8 416
    11 +9 cx0 dr6 0 rf
  fxsave hdr: 0fae07909090 w 1 4
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  fxsave st reserved: 0fae07909090 w 2 42
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  fxsave xmm15: 0fae07909090 w 8 408
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  fxsave tag reserved: 0fae07909090 w 1 5
    5 +3 cx0 dr6 1, 11 +6 cx0 dr6 0 rf
  bts mem far: b8000100000fab07909090 w 1 32
    5 +8 cx0 dr6 1, 11 +11 cx0 dr6 0 rf
  maskmovq hit: 0fefc00f76c90f73f1200ff7c1909090 w 1 4
    5 +13 cx0 dr6 1, 11 +16 cx0 dr6 0 rf
  maskmovq miss: 0fefc00f76c90f73f1200ff7c1909090 w 1 3
    11 +16 cx0 dr6 0 rf
  page cross store: 488987fc0f0000909090 w 4 4096
    5 +7 cx0 dr6 1, 11 +10 cx0 dr6 0 rf
  step lss: 66c747042300c707000000000fb2079090909090 w 1 100 steps
    5 +6 cx0 dr6 4000, 5 +12 cx0 dr6 4000, 5 +15 cx0 dr6 4000, 5 +16 cx0 dr6 4000, 5 +17 cx0 dr6 4000,
    5 +18 cx0 dr6 4000, 5 +19 cx0 dr6 4000, 5 +20 cx0 dr6 4000, 11 +20 cx0 dr6 0 rf
  """
