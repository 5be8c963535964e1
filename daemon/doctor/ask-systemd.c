/* SPDX-License-Identifier: MPL-2.0 */
/* See ask-systemd.h. */
#include "daemon/doctor/ask-systemd.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "daemon/doctor/program-output.h"
#include "daemon/util/text.h"

#define ASK_USEC (10 * USEC_PER_SEC)
/* systemd's own socket: root needs no message bus. */
#define PRIVATE "unix:path=/run/systemd/private"
#define SYSTEMD "org.freedesktop.systemd1"

bool systemd_is_there(void)
{
        return access("/run/systemd/system", F_OK) == 0;
}

char *systemd_show(const char *unit, const char *properties)
{
        _cleanup_(freep) char *name = strdup(unit), *wanted = text_format("--property=%s", properties);
        char program[] = "systemctl", show[] = "show", end[] = "--";
        char *const argv[] = {program, show, wanted, end, name, NULL};
        struct program_output output = {0};
        char *text = NULL;

        if (!name || !wanted || program_run(argv, -1, ASK_USEC, &output) < 0)
                return NULL;
        if (output.status == 0 && !output.late)
                text = strdup(output.out);
        program_output_done(&output);
        return text;
}

char *systemd_value(const char *lines, const char *property)
{
        size_t n = strlen(property);

        for (const char *at = lines; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
                if (strncmp(at, property, n) == 0 && at[n] == '=')
                        return strndup(at + n + 1, strcspn(at + n + 1, "\n"));
        return strdup("");
}

/* ---- credentials, which systemctl does not show ---- */

static int add(struct systemd_credentials *list, const char *kind, const char *name, const char *source)
{
        struct systemd_credential *grown = reallocarray(list->items, list->n + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        list->items = grown;
        grown[list->n] = (struct systemd_credential){strdup(kind), strdup(name), strdup(source)};
        list->n++;
        return grown[list->n - 1].kind && grown[list->n - 1].name && grown[list->n - 1].source ? 0 : -ENOMEM;
}

static int read_pairs(sd_bus *bus, const char *path, const char *kind, struct systemd_credentials *list)
{
        sd_bus_message *reply = NULL;
        const char *name, *source;
        int r = sd_bus_get_property(bus, SYSTEMD, path, SYSTEMD ".Service", kind, NULL, &reply, "a(ss)");

        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &name, &source)) > 0)
                r = add(list, kind, name, source);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

static int read_globs(sd_bus *bus, const char *path, const char *kind, struct systemd_credentials *list)
{
        sd_bus_message *reply = NULL;
        const char *name;
        int r = sd_bus_get_property(bus, SYSTEMD, path, SYSTEMD ".Service", kind, NULL, &reply, "as");

        /* An older systemd. */
        if (r < 0)
                return 0;
        r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &name)) > 0)
                r = add(list, kind, name, "");
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

int systemd_credentials(const char *unit, struct systemd_credentials *ret)
{
        _cleanup_(freep) char *path = NULL;
        sd_bus *bus = NULL;
        int r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);

        *ret = (struct systemd_credentials){0};
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, PRIVATE);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = read_pairs(bus, path, "LoadCredential", ret);
        if (r >= 0)
                r = read_pairs(bus, path, "LoadCredentialEncrypted", ret);
        if (r >= 0)
                r = read_globs(bus, path, "ImportCredential", ret);
        sd_bus_close_unref(bus);
        if (r < 0)
                systemd_credentials_done(ret);
        return r < 0 ? r : 0;
}

void systemd_credentials_done(struct systemd_credentials *credentials)
{
        for (size_t i = 0; i < credentials->n; i++) {
                free(credentials->items[i].kind);
                free(credentials->items[i].name);
                free(credentials->items[i].source);
        }
        free(credentials->items);
        *credentials = (struct systemd_credentials){0};
}
