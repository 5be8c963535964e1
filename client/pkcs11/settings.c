/* SPDX-License-Identifier: MPL-2.0 */
/* See settings.h. */
#include "client/pkcs11/settings.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "daemon/util/duration.h"
#include "daemon/util/macros.h"
#include "daemon/util/text.h"

/* Bytes of the file; no more of it are read. */
#define FILE_MAX 65536U

/* Milliseconds of a call: the default of the daemon, and what libtokend takes at most. */
#define TIMEOUT_DEFAULT 30000
#define TIMEOUT_MOST    600000U

/* The value of the last line `name=value` of the file. -ENOMEM; 1: there is no such line. */
static int find_line(const char *text, const char *name, char **ret)
{
        size_t length = strlen(name), n = 0;
        const char *found = NULL;

        for (const char *at = text; at && *at; at = strchr(at, '\n')) {
                at += strspn(at, " \t\n");
                if (strncmp(at, name, length) != 0 || at[length + strspn(at + length, " \t")] != '=')
                        continue;
                found = strchr(at, '=') + 1;
                found += strspn(found, " \t");
                n = strcspn(found, "\n");
        }
        if (!found)
                return 1;
        while (n > 0 && strchr(" \t\r", found[n - 1]))
                n--;
        *ret = strndup(found, n);
        return *ret ? 0 : -ENOMEM;
}

/* NULL where nobody says anything. -ENOMEM. */
static int find(const char *text, const char *name, char **ret)
{
        const char *value = secure_getenv(name);
        int r;

        if (!value) {
                r = find_line(text, name, ret);
                return r > 0 ? 0 : r;
        }
        *ret = strdup(value);
        return *ret ? 0 : -ENOMEM;
}

static char *read_text(const char *path)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        char *text = NULL;
        size_t length;

        if (fd < 0 || text_read(fd, FILE_MAX, &text, &length) < 0)
                return strdup("");
        return text;
}

int settings_read(struct settings *settings, const char *path)
{
        _cleanup_(freep) char *text = read_text(path), *timeout = NULL, *ed25519 = NULL;
        uint64_t usec;

        *settings = (struct settings){.timeout_ms = TIMEOUT_DEFAULT};
        if (!text || find(text, "TOKEND_SOCKET", &settings->socket) < 0 ||
                find(text, "TOKEND_PKCS11_TOKENS", &settings->tokens) < 0 ||
                find(text, "TOKEND_PKCS11_KEYS", &settings->keys) < 0 ||
                find(text, "TOKEND_PKCS11_ED25519", &ed25519) < 0 ||
                find(text, "TOKEND_PKCS11_TIMEOUT", &timeout) < 0) {
                settings_done(settings);
                return -ENOMEM;
        }
        settings->no_ed25519 = ed25519 && strcmp(ed25519, "no") == 0;
        if (timeout && duration_parse(timeout, &usec) == 0 && usec >= USEC_PER_MSEC &&
                usec <= TIMEOUT_MOST * USEC_PER_MSEC)
                settings->timeout_ms = (int)(usec / USEC_PER_MSEC);
        return 0;
}

void settings_done(struct settings *settings)
{
        free(settings->socket);
        free(settings->tokens);
        free(settings->keys);
        *settings = (struct settings){0};
}

bool settings_shows(const char *globs, const char *name)
{
        if (!globs)
                return true;
        while (*globs) {
                size_t length = strcspn(globs, " ");
                char glob[512];

                if (length > 0 && length < sizeof(glob)) {
                        memcpy(glob, globs, length);
                        glob[length] = '\0';
                        if (fnmatch(glob, name, 0) == 0)
                                return true;
                }
                globs += length;
                globs += strspn(globs, " ");
        }
        return false;
}
