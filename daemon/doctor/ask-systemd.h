/* SPDX-License-Identifier: MPL-2.0 */
/* What systemd says of units. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Whether systemd is the init of this system. */
bool systemd_is_there(void);

/* `systemctl show` of the unit, for these properties ("A,B"): lines NAME=VALUE. The caller frees; NULL: systemd does not answer, or no
 * memory. */
char *systemd_show(const char *unit, const char *properties);

/* The value of a property in such lines, as a new string, "" where it is not there. The caller frees; NULL: no memory. */
char *systemd_value(const char *lines, const char *property);

/* The credentials of a unit. */
struct systemd_credential {
        char *kind, *name, *source; /* "LoadCredential" ...; source: a path, or a name that is looked for */
};
struct systemd_credentials {
        struct systemd_credential *items;
        size_t n;
};
/* LoadCredential=, LoadCredentialEncrypted= and, from systemd 254 on, ImportCredential=. -errno. The caller calls
 * systemd_credentials_done(). */
int systemd_credentials(const char *unit, struct systemd_credentials *ret);
void systemd_credentials_done(struct systemd_credentials *credentials);
