/* SPDX-License-Identifier: MPL-2.0 */
/* See password-conf.h. */
#include "daemon/worker/device/password-conf.h"

#include <string.h>

#include "daemon/util/macros.h"

bool password_conf_has(const char *pin, const char *section, const char *label)
{
        const char *names[] = {"internal", "internaldb", "replicationdb", section, label};
        const char *equals = strchr(pin, '=');
        size_t length = equals ? (size_t)(equals - pin) : 0;

        if (length == 0)
                return false;
        if (strncmp(pin, "hardware-", strlen("hardware-")) == 0)
                return true;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strlen(names[i]) == length && strncmp(names[i], pin, length) == 0)
                        return true;
        return false;
}
