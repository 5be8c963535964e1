/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker may still ask of the kernel. */
#pragma once

/* The first thing of the process: it shows itself to nobody, and opens no path. Not undone. -errno. */
int sandbox_close_off(void);

/* Once its channels stand: from here on no file is opened, no program started, no socket made or connected, and no signal sent to
 * another process; and descriptors come and go on the control (descriptor 3) alone. Not undone. -errno. */
int sandbox_enter(void);
