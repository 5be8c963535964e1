/* SPDX-License-Identifier: MPL-2.0 */
/* Points of the three curves of NIST: those that are written compressed (SEC 1, 2.3.4), and whether one is on its curve. They are public: the time that this
 * takes tells nothing. Pure, thread-safe. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* The y of a point, by its x and by whether y is odd, both as long as a coordinate of that curve (bits: 256, 384 or
 * 521). false: the curve has no such point, and ret_y is untouched. */
bool curve_point_y(unsigned bits, const uint8_t *x, bool odd, uint8_t *ret_y);

/* Whether the curve has this point: its coordinates, each as long as one of that curve. */
bool curve_point_is_there(unsigned bits, const uint8_t *x, const uint8_t *y);
