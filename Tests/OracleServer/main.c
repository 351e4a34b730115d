// The oracle as a program of its own, so that another CPU than this one can be it: an emulator that runs programs.
// Requests come on standard input, answers go to standard output: see native_serve.
#include "NativeOracle.h"

int main(void) { return native_serve(0, 1); }
