/* SPDX-License-Identifier: MPL-2.0 */
/* What all verbs need: sentences on standard error, handles, and the parts of a name. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "client/tokendctl/unit.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

_printf_(1, 0) static void complain_with(const char *format, va_list arguments)
{
        _cleanup_(freep) char *text = text_format_args(format, arguments);
        _cleanup_(freep) char *escaped = text ? printable_new(text) : NULL;

        fprintf(stderr, "tokendctl: %s\n", escaped ? escaped : "no memory");
}

void complain(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_with(format, arguments);
        va_end(arguments);
}

int usage(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_with(format, arguments);
        va_end(arguments);
        return EXIT_USAGE;
}

int no_memory(void)
{
        complain("no memory");
        return EXIT_UNREACHABLE;
}

int not_shown(void)
{
        complain("standard output cannot be written, or memory is short");
        return EXIT_UNREACHABLE;
}

int signature_algorithm(const struct ctl_options *o)
{
        return algorithm_from_name(o->algorithm)
                       ? EXIT_DONE
                       : usage("%s is not an algorithm of signatures", o->algorithm);
}

unsigned usage_mask(const char *text)
{
        unsigned usage = 0;

        for (;;) {
                size_t length = strcspn(text, ",");
                unsigned bit = 1;
                const char *name;

                while ((name = usage_name(bit)) &&
                        (strlen(name) != length || memcmp(name, text, length) != 0))
                        bit <<= 1;
                if (!name)
                        return 0;
                usage |= bit;
                if (!text[length])
                        return usage;
                text += length + 1;
        }
}

int split_name(const char *name, char **ret_token, const char **ret_nickname)
{
        const char *colon = strchr(name, ':');

        if (strncmp(name, "pkcs11:", strlen("pkcs11:")) == 0)
                return usage("%s: a URI names a key that exists; name the new one TOKEN:NICKNAME or NICKNAME",
                        name);
        if (colon) {
                *ret_token = strndup(name, (size_t)(colon - name));
                if (!*ret_token)
                        return no_memory();
        }
        *ret_nickname = colon ? colon + 1 : name;
        return EXIT_DONE;
}

int list_end_status(const struct tokend_list_end *end)
{
        for (size_t i = 0; i < end->n_unavailable; i++)
                complain("the token %s is not listed, because it is not ready: %s%s%s",
                        end->unavailable[i].token, end->unavailable[i].state,
                        end->unavailable[i].reason[0] ? ", " : "", end->unavailable[i].reason);
        return end->n_unavailable > 0 ? EXIT_INCOMPLETE : EXIT_DONE;
}

void list_end_print(const struct tokend_list_end *end)
{
        if (end->state) {
                printf(",\"state\":");
                json_string_print(stdout, end->state);
        }
        for (size_t i = 0; i < end->n_unavailable; i++) {
                printf("%s{\"token\":", i > 0 ? "," : ",\"unavailable\":[");
                json_string_print(stdout, end->unavailable[i].token);
                printf(",\"state\":");
                json_string_print(stdout, end->unavailable[i].state);
                printf(",\"reason\":");
                json_string_print(stdout, end->unavailable[i].reason);
                printf("}%s", i + 1 == end->n_unavailable ? "]" : "");
        }
}

/* Where it is if nothing else is said. */
#define STATUS_SOCKET "/run/tokend/status.sock"

static struct tokend *opened(struct tokend *handle, const char *option)
{
        if (!handle)
                complain("%s: %s", option, strerror(errno));
        return handle;
}

struct tokend *open_main(const struct ctl_options *o)
{
        return opened(tokend_open(o->socket, TOKEND_NO_WAIT), "--socket");
}

int check_status(const struct ctl_options *o, struct tokend_failure *ret_failure)
{
        const char *given = o->status_socket ? o->status_socket : getenv("TOKEND_STATUS_SOCKET");

        return unit_check(given ? given : STATUS_SOCKET, ret_failure);
}

int open_status(const struct ctl_options *o, struct tokend **ret)
{
        struct tokend_failure failure;

        if (check_status(o, &failure) != 0)
                return refused(o, &failure);
        *ret = opened(tokend_open_status(o->status_socket, TOKEND_NO_WAIT), "--status-socket");
        return *ret ? EXIT_DONE : EXIT_USAGE;
}
