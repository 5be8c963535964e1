/* SPDX-License-Identifier: MPL-2.0 */
/* What a careless or hostile module does to the process that has loaded it. Only the test module does. */
#pragma once

#include <stdbool.h>

/* The word of a fault, and its value: see the top of module.c. Whether it is one of these. Does not return for some. */
bool process_act(const char *word, unsigned long value);
