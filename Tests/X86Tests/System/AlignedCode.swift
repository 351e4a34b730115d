/// Instructions with an operand at RDI (RSI: the same, aligned to 16), by the alignment that a family 19h processor
/// wants of it under #AC (measured): the unit, with "!" where a misaligned operand is #GP in any case.
enum AlignedCode {
  static let byUnit: [String: String] = [
    "1": """
    mov8:8a07 movsb:a4 pinsrb:660f3a200700 prefetch:0f180f clflush:0fae3f xlat:4889fbd7 nopmem:0f1f07
    """,
    "2": """
    mov16:668b07 store16:668907 movsw:66a5 movzx16:0fb707 fild16:df07ddd8 fldcw:d97f40d96f40 fnstcw:d93f
    fnstsw:dd3f pmovzxbq:660f383207 pinsrw:660fc40700 pextrw:660f3a150700
    """,
    "4": """
    mov32:8b07 store32:8907 add32:0107 lock_add32:f00107 xchg32:8707 cmpxchg32:0fb10f bt32_mem:0fa307
    bts_imm32:0fba2f00 movsd:a5 stosd:ab scasd:af movsxd:486307 movbe32:0f38f007 crc32_32:f20f38f107
    imul32:0faf07 shl32:d127 shld32:0fa40701 fld32:d907ddd8 fst32:d9e8d91f fild32:db07ddd8 fnstenv:d937
    fldenv:488d8640010000d930d927 fnsave:dd37 frstor:488d8640010000dd30dd27 movss_l:f30f1007
    movss_s:f30f1107 addss:f30f5807 movd_mmx:0f6e07 movd_xmm:660f6e07 movnti32:0fc307 pmovzxbd:660f383107
    pinsrd:660f3a220700 pextrd:660f3a160700 insertps:660f3a210700 extractps:660f3a170700
    punpcklbw_mmx:0f6007 cvtsi2sd32:f20f2a07 cvtss2sd:f30f5a07 comiss:0f2f07 cmpss:f30fc20700
    ldmxcsr:488d86000100000fae180fae17 stmxcsr:0fae1f xadd32:0fc107 adcx:660f38f607 andn:c4e278f207
    """,
    "8": """
    mov64:488b07 store64:488907 add64:480107 cmpxchg8b:0fc70f bt64_mem:480fa307 push_mem:5448ff3758
    pop_mem:54508f075c movsq:48a5 stosq:48ab lodsq:4889fe48ad cmpsd:4889fe48a7 cmov64:480f4407
    popcnt64:f3480fb807 fld64:dd07ddd8 fld80:db2fddd8 fstp64:d9e8dd1f fstp80:d9e8db3f fild64:df2fddd8
    fistp64:d9e8df3f fisttp64:d9e8dd0f fbld:df27ddd8 fbstp:d9eedf37 movsd_l:f20f1007 movsd_s:f20f1107
    movlps_l:0f1207 movlps_s:0f1307 movhps_l:0f1607 movhps_s:0f1707 movddup:f20f1207 addsd:f20f5807
    paddb_mmx:0ffc07 movq_mmx:0f6f07 movq_mmx_s:0f7f07 movq_xmm:f30f7e07 movq_xmm_s:660fd607 movntq:0fe707
    movnti64:480fc307 pmovzxbw:660f383007 pinsrq:66480f3a220700 cvtsi2sd64:f2480f2a07 cvtsd2ss:f20f5a07
    cvtps2pd:0f5a07 cvtdq2pd:f30fe607 cvtpi2ps:0f2a07 cvtps2pi:0f2d07 comisd:660f2f07
    maskmovdqu:660f76c0660ff7c0 maskmovq:0f76c00ff7c0 enter:4889fc4883c440c8100000
    call:4889fc4883c440e800000000 ret_:4889fc488d0504000000488907c3 leave:4889fdc9
    """,
    "16": """
    movups_l:0f1007 movups_s:0f1107 movupd_l:660f1007 movdqu_l:f30f6f07 movdqu_s:f30f7f07 lddqu:f20ff007
    pcmpistri:660f3a630700 pcmpestri:660f3a610700
    """,
    "16!": """
    cmpxchg16b:480fc70f movaps_l:0f2807 movaps_s:0f2907 movdqa_l:660f6f07 movdqa_s:660f7f07
    movsldup:f30f1207 addps:0f5807 paddb:660ffc07 movntdq:660fe707 movntps:0f2b07 movntdqa:660f382a07
    punpcklbw:660f6007 unpcklps:0f1407 cmpps:0fc20700 palignr:660f3a0f0700 pshufb:660f380007
    pshufd:660f700700 pshuflw:f20f700700
    """,
    "4,16!": """
    fxsave:0fae07 fxrstor:488d8640010000488d86000100000fae000fae0f fxsave64:480fae07
    """,
  ]
}
