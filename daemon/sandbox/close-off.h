/* SPDX-License-Identifier: MPL-2.0 */
/* What each of our processes does first: nothing of it leaves by a dump, by a tracer or by a program that it starts. */
#pragma once

/* No core file; no process of the same user traces this one, reads its memory or takes its descriptors; and no program that
 * it starts has more rights than it. Not undone. -errno. */
int close_off(void);
