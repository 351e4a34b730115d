internal import Glibc

/// Nanoseconds of CLOCK_MONOTONIC.
func monotonicTime() -> UInt64 {
  var time = timespec()
  unsafe _ = clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
