/* SPDX-License-Identifier: MPL-2.0 */
/* Signing through three PKCS #11 modules side by side: SoftHSM2's, p11-kit's client, tokend's. */
#pragma once

/* paths: of the modules, in that order. The number of signatures that failed; -1: a module cannot be used. Prints a table. */
int modules_run(const char *const paths[static 3], const char *token, const char *pin);
