/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A target: a file fuzz_NAME.c with LLVMFuzzerTestOneInput() of a few parsers, and corpus/NAME/ with what they are
 * for. Beside what the sanitizers see, it CHECK()s what must hold of whatever was accepted. It keeps nothing from one
 * input to the next, opens nothing, and waits for nothing.
 *
 * libFuzzer (`make fuzz`) or main.c (`make test`) calls it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                          \
        do {                                                                                                 \
                if (!(what)) {                                                                               \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);            \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)
