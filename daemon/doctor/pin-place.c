/* SPDX-License-Identifier: MPL-2.0 */
/* See pin-place.h. */
#include "daemon/doctor/pin-place.h"

#include <string.h>

#include "daemon/util/text.h"

char *pin_place(const struct config_token *token)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");

        if (!token->pin)
                return NULL;
        if (strncmp(token->pin, "file:", 5) == 0)
                return strdup(token->pin + 5);
        return directory ? text_format("%s/%s", directory, token->pin + strlen("credential:")) : NULL;
}
