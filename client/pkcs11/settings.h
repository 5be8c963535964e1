/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What may be said to the module: by the environment (not of set-user-ID programs), else by lines Key=Value of
 * /etc/tokend/pkcs11.conf, for programs that clean their environment. It needs nothing of it.
 */
#pragma once

#include <stdbool.h>

struct settings {
        char *socket;    /* TOKEND_SOCKET; NULL: libtokend's default */
        char *tokens;    /* TOKEND_PKCS11_TOKENS: globs of the tokens that are shown; NULL: all */
        char *keys;      /* TOKEND_PKCS11_KEYS: globs of nicknames */
        bool no_ed25519; /* TOKEND_PKCS11_ED25519=no: libp11 0.4.12 stops at a key of that type */
        int timeout_ms;  /* TOKEND_PKCS11_TIMEOUT, a duration: of one call to the daemon */
};

/* -ENOMEM. The caller calls settings_done(). path: of the file; a file that cannot be read is as an empty one. */
int settings_read(struct settings *settings, const char *path);
void settings_done(struct settings *settings);

/* Whether the name matches one of the globs, which spaces separate. globs NULL: yes. */
bool settings_shows(const char *globs, const char *name);
