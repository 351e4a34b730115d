internal import Support

/// What a machine of QEMU 7.2 has otherwise, by what differs: measured by `Tools/fuzz --against qemu --measure`. The
/// table is Tests/Guests/fuzz/qemu-masks.txt, where a line is a mask and its forms; those of the system family are
/// masked in single modes.
///
/// Reasons that are known (Intel SDM vol. 2, AMD APM vol. 3): flags that the manuals leave open (AAA to DAS), or that
/// QEMU gets wrong (ADCX, ADOX, BEXTR, BLSI) or takes from where they have not been stored yet (CMPXCHG16B, SYSCALL);
/// 16-bit MOVBE, CRC32 and BSWAP; LAR's bits 16 to 19, which are open; WRFSBASE and WRGSBASE take addresses that are
/// not canonical; LDMXCSR, FXRSTOR and XRSTOR take reserved bits of MXCSR, XSAVE and its kin mind no CR0.TS; IRET
/// neither marks the stack's descriptor as accessed nor has #SS for one that is not present; RDPMC is #UD; TEST with
/// /1 and MOVNTI with F2 or F3 are #UD the other way round; moves to and from control registers that do not exist are
/// #GP before #UD. MMX leaves exponents alone, EMMS and CVTPI2PS change TOP, MIN, MAX and horizontal sums take another
/// operand's NaN or zero, and the x87 has its own ways with NaN (FSCALE takes ST1's), precision control (sums with
/// operands in memory are rounded otherwise) and words of control.
enum QEMUMachineMasks {
  static let text = String(decoding: bytesOfFile(SourceTree.root + "/Tests/Guests/fuzz/qemu-masks.txt"), as: UTF8.self)
}
