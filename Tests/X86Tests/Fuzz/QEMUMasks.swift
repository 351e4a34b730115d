/// What QEMU 7.2's user mode has otherwise, by what differs: measured by `Tools/fuzz --under qemu --measure`.
///
/// Its x87 knows no stack faults and other conditions, MMX leaves the exponents alone, exceptions are recognised in
/// another order or not at all (alignment, limits of addresses), and some flags are not those of any profile.
enum QEMUMasks {
  static let text = """
    flags: adcx 0f 38 f6, adox 0f 38 f6, bextr 0f 38 f7 /0, bextr 0f 38 f7 /1, bextr 0f 38 f7 /2, bextr 0f 38 f7 /3
    flags: bextr 0f 38 f7 /4, bextr 0f 38 f7 /5, bextr 0f 38 f7 /6, bextr 0f 38 f7 /7, blsi 0f 38 f3 /3
    flags: doubleShiftCL 0f ad, shiftRMCL d2 /2, shiftRMCL d2 /3, shiftRMCL d3 /2, shiftRMCL d3 /3, shiftRMImm c0 /2
    flags: shiftRMImm c0 /3, shiftRMImm c1 /2, shiftRMImm c1 /3
    flags+registers: lsl 0f 03
    flags+registers+end: lar 0f 02
    flags+x87: x87 db e8, x87 db e9, x87 db ea, x87 db eb, x87 db ec, x87 db ed, x87 db ee, x87 db ef, x87 db f0
    flags+x87: x87 db f1, x87 db f2, x87 db f3, x87 db f4, x87 db f5, x87 db f6, x87 db f7, x87 df e8, x87 df e9
    flags+x87: x87 df ea, x87 df eb, x87 df ec, x87 df ed, x87 df ee, x87 df ef, x87 df f0, x87 df f1, x87 df f2
    flags+x87: x87 df f3, x87 df f4, x87 df f5, x87 df f6, x87 df f7
    flags+mxcsr+end: vector 0f 2e, vector 0f 2f, vector 66 0f 2e, vector 66 0f 2f
    flags+memory: doubleShiftImm 0f a4, doubleShiftImm 0f ac
    flags+end: testRMImm f6 /1, testRMImm f7 /1, vector 66 0f 38 17, verr 0f 00 /4
    registers: bswap 0f c8, bswap 0f c9, bswap 0f ca, bswap 0f cb, bswap 0f cc, bswap 0f cd, bswap 0f ce, bswap 0f cf
    registers: vector 0f c5, vector 0f d7
    registers+end: loadFarPointer 0f b4, loadFarPointer 0f b5, movToSegment 8e /4, movToSegment 8e /5
    registers+end: popSegment 0f a1, popSegment 0f a9, vector f2 0f 2c, vector f2 0f 2d, vector f3 0f 2c
    registers+end: vector f3 0f 2d, wrfsbase 0f ae /2, wrgsbase 0f ae /3
    x87: vector 0f 38 00, vector 0f 38 01, vector 0f 38 02, vector 0f 38 03, vector 0f 38 04, vector 0f 38 05
    x87: vector 0f 38 06, vector 0f 38 07, vector 0f 38 09, vector 0f 38 0a, vector 0f 38 0b, vector 0f 38 1c
    x87: vector 0f 38 1d, vector 0f 38 1e, vector 0f 3a 0f, vector 0f 60, vector 0f 61, vector 0f 62, vector 0f 63
    x87: vector 0f 64, vector 0f 65, vector 0f 66, vector 0f 67, vector 0f 68, vector 0f 69, vector 0f 6a
    x87: vector 0f 6b, vector 0f 6e, vector 0f 6f, vector 0f 70, vector 0f 74, vector 0f 75, vector 0f 76
    x87: vector 0f 77, vector 0f c4, vector 0f d1, vector 0f d2, vector 0f d3, vector 0f d4, vector 0f d5
    x87: vector 0f d8, vector 0f d9, vector 0f da, vector 0f db, vector 0f dc, vector 0f dd, vector 0f de
    x87: vector 0f df, vector 0f e0, vector 0f e1, vector 0f e2, vector 0f e3, vector 0f e4, vector 0f e5
    x87: vector 0f e8, vector 0f e9, vector 0f ea, vector 0f eb, vector 0f ec, vector 0f ed, vector 0f ee
    x87: vector 0f ef, vector 0f f1, vector 0f f2, vector 0f f3, vector 0f f4, vector 0f f5, vector 0f f6
    x87: vector 0f f8, vector 0f f9, vector 0f fa, vector 0f fb, vector 0f fc, vector 0f fd, vector 0f fe
    x87: vector 66 0f 2a, vector f2 0f d6, x87 d8 /0, x87 d8 /1, x87 d8 /2, x87 d8 /3, x87 d8 /4, x87 d8 /5, x87 d8 /6
    x87: x87 d8 /7, x87 d8 c0, x87 d8 c1, x87 d8 c2, x87 d8 c3, x87 d8 c4, x87 d8 c5, x87 d8 c6, x87 d8 c7, x87 d8 c8
    x87: x87 d8 c9, x87 d8 ca, x87 d8 cb, x87 d8 cc, x87 d8 cd, x87 d8 ce, x87 d8 cf, x87 d8 d0, x87 d8 d1, x87 d8 d2
    x87: x87 d8 d3, x87 d8 d4, x87 d8 d5, x87 d8 d6, x87 d8 d7, x87 d8 d8, x87 d8 d9, x87 d8 da, x87 d8 db, x87 d8 dc
    x87: x87 d8 dd, x87 d8 de, x87 d8 df, x87 d8 e0, x87 d8 e1, x87 d8 e2, x87 d8 e3, x87 d8 e4, x87 d8 e5, x87 d8 e6
    x87: x87 d8 e7, x87 d8 e8, x87 d8 e9, x87 d8 ea, x87 d8 eb, x87 d8 ec, x87 d8 ed, x87 d8 ee, x87 d8 ef, x87 d8 f0
    x87: x87 d8 f1, x87 d8 f2, x87 d8 f3, x87 d8 f4, x87 d8 f5, x87 d8 f6, x87 d8 f7, x87 d8 f8, x87 d8 f9, x87 d8 fa
    x87: x87 d8 fb, x87 d8 fc, x87 d8 fd, x87 d8 fe, x87 d8 ff, x87 d9 /0, x87 d9 /4, x87 d9 /5, x87 d9 c0, x87 d9 c1
    x87: x87 d9 c2, x87 d9 c3, x87 d9 c4, x87 d9 c5, x87 d9 c6, x87 d9 c7, x87 d9 c8, x87 d9 c9, x87 d9 ca, x87 d9 cb
    x87: x87 d9 cc, x87 d9 cd, x87 d9 ce, x87 d9 cf, x87 d9 d8, x87 d9 d9, x87 d9 da, x87 d9 db, x87 d9 dc, x87 d9 dd
    x87: x87 d9 de, x87 d9 df, x87 d9 e0, x87 d9 e1, x87 d9 e4, x87 d9 e8, x87 d9 e9, x87 d9 ea, x87 d9 eb, x87 d9 ec
    x87: x87 d9 ed, x87 d9 ee, x87 d9 f0, x87 d9 f1, x87 d9 f2, x87 d9 f3, x87 d9 f4, x87 d9 f5, x87 d9 f6, x87 d9 f7
    x87: x87 d9 f8, x87 d9 f9, x87 d9 fa, x87 d9 fb, x87 d9 fc, x87 d9 fd, x87 d9 fe, x87 d9 ff, x87 da /0, x87 da /1
    x87: x87 da /2, x87 da /3, x87 da /4, x87 da /5, x87 da /6, x87 da /7, x87 da c0, x87 da c1, x87 da c2, x87 da c3
    x87: x87 da c4, x87 da c5, x87 da c6, x87 da c7, x87 da c8, x87 da c9, x87 da ca, x87 da cb, x87 da cc, x87 da cd
    x87: x87 da ce, x87 da cf, x87 da d0, x87 da d1, x87 da d2, x87 da d3, x87 da d4, x87 da d5, x87 da d6, x87 da d7
    x87: x87 da d8, x87 da d9, x87 da da, x87 da db, x87 da dc, x87 da dd, x87 da de, x87 da df, x87 da e9, x87 db /0
    x87: x87 db /5, x87 db c0, x87 db c1, x87 db c2, x87 db c3, x87 db c4, x87 db c5, x87 db c6, x87 db c7, x87 db c8
    x87: x87 db c9, x87 db ca, x87 db cb, x87 db cc, x87 db cd, x87 db ce, x87 db cf, x87 db d0, x87 db d1, x87 db d2
    x87: x87 db d3, x87 db d4, x87 db d5, x87 db d6, x87 db d7, x87 db d8, x87 db d9, x87 db da, x87 db db, x87 db dc
    x87: x87 db dd, x87 db de, x87 db df, x87 dc /0, x87 dc /1, x87 dc /2, x87 dc /3, x87 dc /4, x87 dc /5, x87 dc /6
    x87: x87 dc /7, x87 dc c0, x87 dc c1, x87 dc c2, x87 dc c3, x87 dc c4, x87 dc c5, x87 dc c6, x87 dc c7, x87 dc c8
    x87: x87 dc c9, x87 dc ca, x87 dc cb, x87 dc cc, x87 dc cd, x87 dc ce, x87 dc cf, x87 dc d0, x87 dc d1, x87 dc d2
    x87: x87 dc d3, x87 dc d4, x87 dc d5, x87 dc d6, x87 dc d7, x87 dc d8, x87 dc d9, x87 dc da, x87 dc db, x87 dc dc
    x87: x87 dc dd, x87 dc de, x87 dc df, x87 dc e0, x87 dc e1, x87 dc e2, x87 dc e3, x87 dc e4, x87 dc e5, x87 dc e6
    x87: x87 dc e7, x87 dc e8, x87 dc e9, x87 dc ea, x87 dc eb, x87 dc ec, x87 dc ed, x87 dc ee, x87 dc ef, x87 dc f0
    x87: x87 dc f1, x87 dc f2, x87 dc f3, x87 dc f4, x87 dc f5, x87 dc f6, x87 dc f7, x87 dc f8, x87 dc f9, x87 dc fa
    x87: x87 dc fb, x87 dc fc, x87 dc fd, x87 dc fe, x87 dc ff, x87 dd /0, x87 dd /4, x87 dd c0, x87 dd c1, x87 dd c2
    x87: x87 dd c3, x87 dd c4, x87 dd c5, x87 dd c6, x87 dd c7, x87 dd c8, x87 dd c9, x87 dd ca, x87 dd cb, x87 dd cc
    x87: x87 dd cd, x87 dd ce, x87 dd cf, x87 dd d0, x87 dd d1, x87 dd d2, x87 dd d3, x87 dd d4, x87 dd d5, x87 dd d6
    x87: x87 dd d7, x87 dd d8, x87 dd d9, x87 dd da, x87 dd db, x87 dd dc, x87 dd dd, x87 dd de, x87 dd df, x87 dd e0
    x87: x87 dd e1, x87 dd e2, x87 dd e3, x87 dd e4, x87 dd e5, x87 dd e6, x87 dd e7, x87 dd e8, x87 dd e9, x87 dd ea
    x87: x87 dd eb, x87 dd ec, x87 dd ed, x87 dd ee, x87 dd ef, x87 de /0, x87 de /1, x87 de /2, x87 de /3, x87 de /4
    x87: x87 de /5, x87 de /6, x87 de /7, x87 de c0, x87 de c1, x87 de c2, x87 de c3, x87 de c4, x87 de c5, x87 de c6
    x87: x87 de c7, x87 de c8, x87 de c9, x87 de ca, x87 de cb, x87 de cc, x87 de cd, x87 de ce, x87 de cf, x87 de d0
    x87: x87 de d1, x87 de d2, x87 de d3, x87 de d4, x87 de d5, x87 de d6, x87 de d7, x87 de d9, x87 de e0, x87 de e1
    x87: x87 de e2, x87 de e3, x87 de e4, x87 de e5, x87 de e6, x87 de e7, x87 de e8, x87 de e9, x87 de ea, x87 de eb
    x87: x87 de ec, x87 de ed, x87 de ee, x87 de ef, x87 de f0, x87 de f1, x87 de f2, x87 de f3, x87 de f4, x87 de f5
    x87: x87 de f6, x87 de f7, x87 de f8, x87 de f9, x87 de fa, x87 de fb, x87 de fc, x87 de fd, x87 de fe, x87 de ff
    x87: x87 df /0, x87 df /4, x87 df /5, x87 df c0, x87 df c1, x87 df c2, x87 df c3, x87 df c4, x87 df c5, x87 df c6
    x87: x87 df c7, x87 df c8, x87 df c9, x87 df ca, x87 df cb, x87 df cc, x87 df cd, x87 df ce, x87 df cf, x87 df d0
    x87: x87 df d1, x87 df d2, x87 df d3, x87 df d4, x87 df d5, x87 df d6, x87 df d7, x87 df d8, x87 df d9, x87 df da
    x87: x87 df db, x87 df dc, x87 df dd, x87 df de, x87 df df
    x87+mxcsr+sse: vector 0f 71 /2, vector 0f 71 /4, vector 0f 71 /6, vector 0f 72 /2, vector 0f 72 /4
    x87+mxcsr+sse: vector 0f 72 /6, vector 0f 73 /2, vector 0f 73 /6, vector 0f 7f
    x87+mxcsr+sse+end: vector 0f ae /1, vector 0f ae /5
    x87+mxcsr+end: vector 0f 2c, vector 0f 2d, vector 66 0f 2c, vector 66 0f 2d
    x87+sse+end: vector 0f 2a
    x87+memory: x87 d9 /2, x87 d9 /3, x87 d9 /6, x87 db /1, x87 db /2, x87 db /3, x87 db /7, x87 dd /1, x87 dd /2
    x87+memory: x87 dd /3, x87 df /1, x87 df /2, x87 df /3, x87 df /6, x87 df /7
    x87+end: vector 0f 38 08
    mxcsr+sse+end: vector 0f 51, vector 0f 58, vector 0f 59, vector 0f 5a, vector 0f 5b, vector 0f 5c, vector 0f 5d
    mxcsr+sse+end: vector 0f 5e, vector 0f 5f, vector 0f c2, vector 66 0f 3a 08, vector 66 0f 3a 09
    mxcsr+sse+end: vector 66 0f 3a 40, vector 66 0f 3a 41, vector 66 0f 51, vector 66 0f 58, vector 66 0f 59
    mxcsr+sse+end: vector 66 0f 5a, vector 66 0f 5b, vector 66 0f 5c, vector 66 0f 5d, vector 66 0f 5e
    mxcsr+sse+end: vector 66 0f 5f, vector 66 0f 7c, vector 66 0f 7d, vector 66 0f c2, vector 66 0f d0
    mxcsr+sse+end: vector 66 0f e6, vector f2 0f 51, vector f2 0f 58, vector f2 0f 59, vector f2 0f 5a
    mxcsr+sse+end: vector f2 0f 5c, vector f2 0f 5d, vector f2 0f 5e, vector f2 0f 5f, vector f2 0f 7c
    mxcsr+sse+end: vector f2 0f 7d, vector f2 0f c2, vector f2 0f d0, vector f2 0f e6, vector f3 0f 51
    mxcsr+sse+end: vector f3 0f 58, vector f3 0f 59, vector f3 0f 5a, vector f3 0f 5b, vector f3 0f 5c
    mxcsr+sse+end: vector f3 0f 5d, vector f3 0f 5e, vector f3 0f 5f, vector f3 0f c2
    mxcsr+end: vector 0f ae /2
    sse: vector 0f 52, vector 0f 53, vector f3 0f 52, vector f3 0f 53
    sse+end: vector 0f 14, vector 0f 15, vector 0f 54, vector 0f 55, vector 0f 56, vector 0f 57, vector 0f c6
    sse+end: vector 66 0f 14, vector 66 0f 15, vector 66 0f 38 14, vector 66 0f 38 15, vector 66 0f 38 41
    sse+end: vector 66 0f 3a 0a, vector 66 0f 3a 0b, vector 66 0f 3a 0d, vector 66 0f 54, vector 66 0f 55
    sse+end: vector 66 0f 56, vector 66 0f 57, vector 66 0f c6, vector 66 0f e1, vector 66 0f e2, vector 66 0f f1
    sse+end: vector 66 0f f2, vector 66 0f f3, vector f2 0f 2a, vector f3 0f 12, vector f3 0f 16, vector f3 0f 2a
    memory: vector 0f ae /0, vector 0f ae /4, vector 0f ae /6, vector 0f f7, x87 dd /6
    memory+end: movRMReg 0f c3
    end: callFarIndirect ff /3, cmov 0f 41, cmps a6, cmps a7, intN cd, iret cf, jmpFarIndirect ff /5, lods ac, lods ad
    end: movFromCR 0f 20 /1, movFromCR 0f 20 /5, movFromCR 0f 20 /6, movFromCR 0f 20 /7, movFromSegment 8c /0
    end: movFromSegment 8c /1, movFromSegment 8c /2, movToCR 0f 22 /1, movToCR 0f 22 /5, movToCR 0f 22 /6
    end: movToCR 0f 22 /7, movToSegment 8e /0, movToSegment 8e /3, movs a4, movs a5, nop 0f 18, pushSegment 0f a8
    end: retFar ca, retFar cb, stos aa, stos ab, sysexit 0f 35, sysret 0f 07, vector 0f 7e, vector 66 0f 10
    end: vector 66 0f 38 21, vector 66 0f 38 32, vector 66 0f 38 39, vector 66 0f 3a 0c, vector 66 0f d6
    end: vector 66 0f e8, vector 66 0f f5
    """
}
