/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The login. It belongs to the application, not to a session: after a loss the thread that sees it first
 * makes one C_Login. It is a raw call and not NSS's, because NSS may ask for a PIN again and again, and a
 * wrong PIN must cost one attempt. NSS asks the token whether it is logged in and so sees our login; it has
 * no password function and makes no attempt itself.
 */
#pragma once

#include "daemon/worker/device/session.h"

/* Logs in on this session if the token wants a login and has none. The PIN is read for the attempt and wiped
 * after it, because an operator may have changed it. No attempt is made if the token says that its PIN is
 * locked or at its last try, or (in a look) that a wrong one was tried before. Errors as in failure.h.
 * Thread-safe. */
int login(struct session *session, struct failure *failure);

/* After a loss: opens a new session before it closes the old one, and logs in if the login was lost. Errors
 * as in failure.h. */
int login_recover(struct session *session, struct failure *failure);

/* Reads the PIN from where the configuration says, for the making of the internal token as well. The caller
 * frees. Errors as in failure.h. */
struct secret;
int login_read_pin(const struct slot_token *token, struct secret **ret, struct failure *failure);
