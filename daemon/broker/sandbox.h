/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker may still ask of the kernel, once its channels stand. */
#pragma once

/* From here on no file is opened, no program started, no socket made. Not undone. -errno. */
int sandbox_enter(void);
