/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl audit show and rotate: the records that fit, one at a time; and the next file. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client/tokendctl/audit-file.h"
#include "client/tokendctl/audit-verbs.h"
#include "client/tokendctl/chain.h"
#include "daemon/util/duration.h"
#include "daemon/util/printable.h"
#include "proto/json.h"

/* Lines that are no records are told, so many of each file. */
#define FAULTS_SHOWN 10U
/* How long a new file is waited for, unless --timeout= says it, and how often it is asked for. */
#define ROTATE_MS 15000
#define STEP_MS   100

/* ---- what is asked for ---- */

/* Times of records are text of one form, which sorts as they do: so does each beginning of it. */
struct record_filter {
        char since[32], until[32];
        const struct ctl_options *o;
        const char *key; /* a nickname, or TOKEN:NICKNAME */
};

/* 2026-11-28, 2026-11-28T17:00, with a blank for the T, a Z behind it or none. */
static bool is_time(const char *text)
{
        static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddd";
        size_t i = 0;

        for (; i < sizeof(form) - 1 && text[i]; i++)
                if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
                                   : text[i] != form[i] && !(form[i] == 'T' && text[i] == ' '))
                        return false;
        return i >= 10 && (text[i] == '\0' || strcmp(text + i, "Z") == 0);
}

static bool time_ago(const char *text, char ret[static 32])
{
        uint64_t usec = 0, days = 0;
        time_t at;
        struct tm tm;

        if (duration_parse(text, &usec) != 0 && duration_days(text, &days) != 0)
                return false;
        at = time(NULL) - (time_t)(usec / USEC_PER_SEC + days * 86400);
        return gmtime_r(&at, &tm) && strftime(ret, 32, "%Y-%m-%dT%H:%M:%S", &tm) > 0;
}

static int take_time(const char *option, const char *text, char ret[static 32])
{
        if (!text || time_ago(text, ret))
                return EXIT_DONE;
        if (!is_time(text))
                return usage("--%s: expected a time in UTC (2026-11-28, 2026-11-28T17:00) or how long ago "
                             "(2h, 7d), not '%s'",
                        option, text);
        (void)snprintf(ret, 32, "%s", text);
        ret[strcspn(ret, "Z")] = '\0';
        if (strlen(ret) > 10)
                ret[10] = 'T';
        return EXIT_DONE;
}

static int take_filter(const struct ctl_options *o, struct record_filter *ret)
{
        int r = take_time("since", o->since, ret->since);

        if (r == EXIT_DONE)
                r = take_time("until", o->until, ret->until);
        if (r == EXIT_DONE && (o->n_audit_keys > 1 || (o->n_audit_keys == 1 && !o->audit_keys[0].name)))
                return usage("audit show takes --key once, and no --pubkey");
        ret->o = o;
        ret->key = o->n_audit_keys == 1 ? o->audit_keys[0].name : NULL;
        return r;
}

/* ---- one record ---- */

static const char *text_of(struct json_object *record, const char *name)
{
        struct json_object *member;

        if (!json_object_object_get_ex(record, name, &member) ||
                !json_object_is_type(member, json_type_string))
                return "";
        return json_object_get_string(member);
}

static bool number_of(struct json_object *record, const char *name, uint64_t *ret)
{
        struct json_object *member;

        if (!json_object_object_get_ex(record, name, &member) || !json_object_is_type(member, json_type_int))
                return false;
        *ret = json_object_get_uint64(member);
        return true;
}

static bool is_wanted(const char *wanted, const char *text)
{
        return !wanted || strcmp(wanted, text) == 0;
}

static bool is_key(const struct record_filter *filter, struct json_object *record)
{
        const char *token = text_of(record, "token"), *key = text_of(record, "key");
        size_t n = strlen(token);

        if (!filter->key || strcmp(filter->key, key) == 0)
                return true;
        return n > 0 && strncmp(filter->key, token, n) == 0 && filter->key[n] == ':' &&
               strcmp(filter->key + n + 1, key) == 0;
}

static bool fits(const struct record_filter *filter, struct json_object *record)
{
        const char *when = text_of(record, "time");
        const struct ctl_options *o = filter->o;

        if (*filter->since && strcmp(when, filter->since) < 0)
                return false;
        if (*filter->until && strcmp(when, filter->until) >= 0)
                return false;
        return is_wanted(o->token, text_of(record, "token")) &&
               is_wanted(o->instance, text_of(record, "instance")) &&
               (is_wanted(o->operation, text_of(record, "operation")) ||
                       is_wanted(o->operation, text_of(record, "kind"))) &&
               is_key(filter, record);
}

static void put_text(const char *before, const char *text)
{
        const char *end = text + strlen(text), *piece;
        char room[PRINTABLE_ESCAPE_SIZE];
        size_t n;

        if (!*text)
                return;
        printf("%s", before);
        while ((n = printable_next(&text, end, &piece, room)) > 0)
                fwrite(piece, 1, n, stdout);
}

/* TIME SEQ KIND RESULT KEY ALGORITHM, who, why */
static void print_record(struct json_object *record)
{
        static const char *const more[][2] = {
                {" file ", "file"}, {" since ", "since"}, {" ckr ", "ckr"}, {": ", "reason"}};
        uint64_t seq = 0, number;

        (void)number_of(record, "seq", &seq);
        put_text("", text_of(record, "time"));
        printf(" %" PRIu64, seq);
        put_text(" ", text_of(record, "kind"));
        if (strcmp(text_of(record, "kind"), text_of(record, "operation")) != 0)
                put_text(" of ", text_of(record, "operation"));
        put_text(" ", text_of(record, "result"));
        put_text(" ", text_of(record, "token"));
        put_text(":", text_of(record, "key"));
        put_text(" ", text_of(record, "algorithm"));
        put_text(" by ", text_of(record, "instance"));
        if (number_of(record, "uid", &number))
                printf(" (uid %" PRIu64, number);
        if (number_of(record, "pid", &number))
                printf(", pid %" PRIu64, number);
        put_text(", ", text_of(record, "unit"));
        if (number_of(record, "uid", &number))
                printf(")");
        for (size_t i = 0; i < ARRAY_SIZE(more); i++)
                put_text(more[i][0], text_of(record, more[i][1]));
        printf("\n");
}

static int print_json(struct json_object *record)
{
        _cleanup_(freep) char *text = NULL;
        int r = json_print(record, &text);

        if (r == -ENOMEM)
                return no_memory();
        if (r == 0)
                printf("%s\n", text);
        return EXIT_DONE;
}

static int show_line(const struct record_filter *filter, const char *line, size_t length, bool *ret_is_record)
{
        struct json_object *record = NULL;
        int r = length > CHAIN_LINE_MAX ? -EBADMSG : json_parse(line, length, &record);

        *ret_is_record = r == 0;
        if (r == -ENOMEM)
                return no_memory();
        r = EXIT_DONE;
        if (*ret_is_record && fits(filter, record)) {
                if (filter->o->json)
                        r = print_json(record);
                else
                        print_record(record);
        }
        json_object_put(record);
        return r;
}

/* ---- files ---- */

static int show_file(const struct record_filter *filter, const struct audit_file *file, bool *faulty)
{
        static char buffer[CHAIN_LINE_MAX + 1];
        uint64_t n_line = 0;
        unsigned n_faults = 0;
        size_t length;
        bool whole, is_record;
        int r, status = EXIT_DONE;

        while (status == EXIT_DONE &&
                (r = audit_file_line(file->stream, buffer, sizeof(buffer), &length, &whole)) == 0) {
                n_line++;
                status = show_line(filter, buffer, length, &is_record);
                if (status != EXIT_DONE || is_record)
                        continue;
                *faulty = true;
                if (n_faults++ < FAULTS_SHOWN)
                        complain("%s:%" PRIu64
                                 ": this line is not a record; `tokendctl audit verify` says more",
                                file->path, n_line);
        }
        if (status == EXIT_DONE && r < 0)
                return usage("%s: %s", file->path, strerror(-r));
        if (status == EXIT_DONE && ferror(stdout))
                return EXIT_UNREACHABLE;
        return status;
}

int audit_show(const struct ctl_options *o)
{
        struct audit_files files = {0};
        struct record_filter filter = {0};
        bool faulty = false;
        int r = take_filter(o, &filter);

        if (r == EXIT_DONE)
                r = audit_files_open(o, &files);
        for (size_t i = 0; r == EXIT_DONE && i < files.n; i++)
                r = show_file(&filter, &files.list[i], &faulty);
        audit_files_done(&files);
        return r == EXIT_DONE && faulty ? EXIT_REFUSED : r;
}

/* ---- rotate ---- */

static int look(struct tokend *handle, const struct ctl_options *o, int64_t *ret_rotated_seq)
{
        struct tokend_status *status;
        int r = ask_status(o, handle, &status);

        if (r != EXIT_DONE)
                return r;
        *ret_rotated_seq = status->audit->rotated_seq;
        tokend_status_free(status);
        return EXIT_DONE;
}

int audit_rotate(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        int left_ms = o->timeout_ms > 0 ? o->timeout_ms : ROTATE_MS;
        int64_t before = 0, now = 0;
        struct tokend_failure failure;
        int r = open_status(o, &handle);

        if (o->n_arguments > 1)
                return usage("usage: tokendctl audit rotate");
        if (r == EXIT_DONE)
                r = look(handle, o, &before);
        if (r != EXIT_DONE)
                return r;
        if (tokend_rotate_audit(handle, o->timeout_ms, &failure) != TOKEND_OK)
                return refused(o, &failure);
        while ((r = look(handle, o, &now)) == EXIT_DONE && now <= before && left_ms > 0) {
                (void)usleep(STEP_MS * 1000);
                left_ms -= STEP_MS;
        }
        if (r != EXIT_DONE)
                return r;
        if (now <= before) {
                complain("no new file was begun within %d s; `tokendctl status` and the log of the service "
                         "say why",
                        (o->timeout_ms > 0 ? o->timeout_ms : ROTATE_MS) / 1000);
                return EXIT_REFUSED;
        }
        if (o->json)
                printf("{\"lastSeq\":%" PRId64 "}\n", now);
        else
                printf("a new file was begun; the one before ends with record %" PRId64 "\n", now);
        return EXIT_DONE;
}
