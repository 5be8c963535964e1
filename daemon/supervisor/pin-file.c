/* SPDX-License-Identifier: MPL-2.0 */
/* See pin-file.h. */
#include "daemon/supervisor/pin-file.h"

#include <string.h>

#include "daemon/util/text.h"

/* Where the worker reads the PIN from. NULL: nowhere, or memory is short. */
static char *pin_path(const struct config_token *config)
{
        const char *directory;

        if (!config->pin)
                return config->directory ? text_format("%s/pin", config->directory) : NULL;
        if (strncmp(config->pin, "file:", 5) == 0)
                return strdup(config->pin + 5);
        directory = getenv("CREDENTIALS_DIRECTORY");
        return directory ? text_format("%s/%s", directory, config->pin + strlen("credential:")) : NULL;
}

struct pin_identity pin_identity_of(const struct config_token *config)
{
        _cleanup_(freep) char *path = pin_path(config);
        struct stat st;

        if (!path || stat(path, &st) < 0)
                return (struct pin_identity){0};
        return (struct pin_identity){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void pin_refuse(struct refused_pin *pin, const struct pin_identity *read)
{
        *pin = (struct refused_pin){.refused = true, .file = *read};
}

bool pin_is_refused(const struct refused_pin *pin, const struct config_token *config)
{
        const struct pin_identity *a = &pin->file, b = pin_identity_of(config);

        return pin->refused && a->device == b.device && a->inode == b.inode && a->size == b.size &&
               time_equal(&a->modified, &b.modified) && time_equal(&a->changed, &b.changed);
}
