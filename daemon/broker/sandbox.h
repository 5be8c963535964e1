/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker may still ask of the kernel, once its channels stand. */
#pragma once

/* From here on no file is opened, no program started, no socket made or connected, and no signal sent to another process.
 * control_fd: the one descriptor that may send others along. Not undone. -errno. */
int sandbox_enter(int control_fd);
