/// The oracle in this process.
#ifndef NATIVE_ORACLE_LOCAL_H
#define NATIVE_ORACLE_LOCAL_H

#include "NativeOracle.h"

int local_available(void);
int local_execute(NativeState *state, const uint8_t *code, size_t length, uint8_t *memory, size_t memory_size);

#endif
