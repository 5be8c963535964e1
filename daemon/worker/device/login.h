/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The login, which is the application's and not the session's: one C_Login a loss, whichever thread sees it
 * first. It is a raw call, not NSS's: NSS may ask for a PIN again and again, and a wrong one must cost one
 * attempt. NSS asks the token whether it is logged in, and so sees ours; it has no password function and
 * tries none by itself.
 */
#pragma once

#include "daemon/worker/device/session.h"

/* Logs in on this session where the token wants a login and has none. The PIN is read for the attempt and
 * wiped after it: an operator may have changed it meanwhile. No attempt is made where the token says that it
 * is locked or at its last try, or (in a look) that one was wrong before. 1: failure. Thread-safe. */
int login(struct session *session, struct failure *failure);

/* Whence the PIN comes, for the internal token's making as well. 1: failure. The caller frees. */
struct secret;
int login_read_pin(const struct slot_token *token, struct secret **ret, struct failure *failure);
