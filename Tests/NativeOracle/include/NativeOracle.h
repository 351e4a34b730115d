/// Runs a few instructions on the host's own processor: the oracle of the software engine's tests.
#ifndef NATIVE_ORACLE_H
#define NATIVE_ORACLE_H

#include <stddef.h>
#include <stdint.h>

/// Registers before and after a run. `gpr` is in instruction-set order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi,
/// r8 … r15); `fx` is an FXSAVE64 image, which must not have reserved MXCSR bits set.
typedef struct {
  uint64_t gpr[16];
  uint64_t rflags;
  /// Out: where the run ended, as an offset from the first byte of code.
  uint64_t rip;
  /// Out, after a page fault: its address.
  uint64_t cr2;
  /// Out, after an exception: its error code.
  uint64_t error_code;
  uint8_t fx[512];
  /// Bases of FS and GS (the host's own come back after the run), and the selectors of ES, DS, FS, GS, SS and CS. A run
  /// of 64-bit code (CS is 0) starts with null selectors and the host's SS; there ES to SS are out only.
  uint64_t fs_base, gs_base;
  uint64_t es, ds, fs, gs, ss, cs;
} NativeState;

/// A segment for `native_segments`: an entry of the local descriptor table, at CPL 3.
typedef struct {
  uint32_t base, limit;
  /// 0 data, 1 expand-down data, 2 code.
  uint8_t contents;
  uint8_t is_32bit, is_read_only, is_limit_in_pages;
} NativeSegment;

enum {
  /// Where the code lies while it runs, and the most that it may be long.
  NATIVE_CODE_ADDRESS = 0x20000000,
  NATIVE_CODE_SIZE = 4000,
  /// Linux's 32-bit code segment, from 0 to 4 GiB. Any other is taken for one of 16-bit code from NATIVE_CODE_ADDRESS.
  NATIVE_CODE32 = 0x23,
  /// Where code of other sizes comes back to 64-bit code, behind it in its page.
  NATIVE_WAY_BACK = 4064,
  /// Where the memory operand area lies, and its size; unmapped pages surround it. 16-bit code reaches it by CS.
  NATIVE_MEMORY_ADDRESS = 0x20008000,
  NATIVE_MEMORY_SIZE = 8192,
  /// Flags that a run may start with: the status flags, DF, NT and ID.
  NATIVE_FLAGS = 0x204cd5,
};

/// The shell command of a program that answers in this process's place (environment variable CHRONOVISOR_ORACLE), so that
/// an emulator can be the oracle; NULL without one.
const char *native_command(void);

/// Answers requests of another process, from one descriptor to another, to the end of the input. 0 when all went well.
int native_serve(int input, int output);

/// Whether this host can run it: x86-64 Linux that lets a process map writable code and write FS and GS bases.
int native_available(void);

/// Makes `count` entries of the process's local descriptor table, from 0 on. False where the host's kernel has none.
int native_set_segments(const NativeSegment *segments, int count);

/// Runs `length` bytes of user-mode code (64-bit code, or that of the segment `state.cs`) from `state` and stores the state after it. The first
/// `memory_size` bytes of the operand area are loaded from `memory` before and stored to it after. Returns -1 when the
/// code ran to its end, else the vector of the exception that stopped it. One run at a time; others wait.
int native_execute(NativeState *state, const uint8_t *code, size_t length, uint8_t *memory, size_t memory_size);

#endif
