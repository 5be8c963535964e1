/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The process that loads one module and asks it what it has: the module is hostile, and this process is all that it gets. It
 * writes lines on MODULE_CHILD_FD, fields with a tab between two, which module-watch.c reads:
 *
 *     at NAME                                     this call begins
 *     error TEXT                                  it cannot go on
 *     library TEXT                                what it is
 *     slot NUMBER FLAGS MATCHES LABEL SERIAL      a slot with a token; FLAGS of CK_TOKEN_INFO in hexadecimal
 *     login TEXT                                  what became of the one PIN attempt
 *     done
 */
#pragma once

#define MODULE_CHILD_FD 3

/* uri: NULL: every token matches. pin_file: NULL: no login. Returns an exit status. */
int module_child(const char *path, const char *uri, const char *pin_file);
