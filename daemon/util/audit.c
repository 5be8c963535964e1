/* SPDX-License-Identifier: MPL-2.0 */
/* See audit.h. */
#include "daemon/util/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"
#include "daemon/util/utf8.h"
#include "proto/limits.h"

#define AUDIT_KIND_ROW(constant, name, id) [constant] = {name, id},
static const struct {
        const char *name, *message_id;
} kinds[AUDIT_KIND_MAX_] = {AUDIT_KINDS(AUDIT_KIND_ROW)};

const char *audit_kind_name(unsigned kind)
{
        return kind < AUDIT_KIND_MAX_ ? kinds[kind].name : NULL;
}

const char *audit_message_id(unsigned kind)
{
        return kind < AUDIT_KIND_MAX_ ? kinds[kind].message_id : NULL;
}

/* A text that grows in a buffer of the caller, and remembers if it did not fit. */
struct audit_text {
        char *data;
        size_t size, length;
        bool bad;
};

static void put_bytes(struct audit_text *text, const char *bytes, size_t length)
{
        if (text->bad || length >= text->size - text->length) {
                text->bad = true;
                return;
        }
        memcpy(text->data + text->length, bytes, length);
        text->length += length;
        text->data[text->length] = '\0';
}

static _printf_(2, 3) void put_format(struct audit_text *text, const char *format, ...)
{
        char buffer[128];
        va_list args;
        int length;

        va_start(args, format);
        length = vsnprintf(buffer, sizeof(buffer), format, args);
        va_end(args);
        if (length < 0 || (size_t)length >= sizeof(buffer))
                text->bad = true;
        else
                put_bytes(text, buffer, (size_t)length);
}

/* Bytes of an escaped value of a record. Every nickname of LIMIT_NICKNAME bytes fits. Of a longer name, which only a client can make up,
 * the beginning tells enough. All values together fit LIMIT_AUDIT_RECORD. */
#define VALUE_MAX_BYTES 1024U
#define ELLIPSIS        "\xe2\x80\xa6"

/* Puts at most this many bytes. If the string is cut, U+2026 (an ellipsis) follows. */
static void put_escaped(struct audit_text *text, const char *string, size_t most)
{
        const char *end = string + strlen(string), *piece;
        char room[JSON_STRING_ESCAPE_SIZE];
        size_t n;

        for (; (n = json_string_next(&string, end, &piece, room)) > 0; most -= n) {
                bool cut = n > most;

                /* A run of characters is cut between two characters. An escape is not cut. */
                if (cut)
                        n = piece == room ? 0 : utf8_whole(piece, most);
                put_bytes(text, piece, n);
                if (cut) {
                        put_bytes(text, ELLIPSIS, sizeof(ELLIPSIS) - 1);
                        return;
                }
        }
}

static void put_value(struct audit_text *text, const char *string)
{
        put_escaped(text, string, VALUE_MAX_BYTES);
}

/* The same for the journal, whose fields a person sees on a terminal: as long, and printable. */
static size_t printable_value(const char *string, char ret[static VALUE_MAX_BYTES + sizeof(ELLIPSIS)])
{
        const char *end = string + strlen(string), *piece;
        char room[PRINTABLE_ESCAPE_SIZE];
        size_t length = 0, n;

        while ((n = printable_next(&string, end, &piece, room)) > 0) {
                bool cut = n > VALUE_MAX_BYTES - length;

                if (cut)
                        n = piece == room ? 0 : utf8_whole(piece, VALUE_MAX_BYTES - length);
                memcpy(ret + length, piece, n);
                length += n;
                if (cut) {
                        memcpy(ret + length, ELLIPSIS, sizeof(ELLIPSIS) - 1);
                        return length + sizeof(ELLIPSIS) - 1;
                }
        }
        return length;
}

static void put_printable(struct audit_text *text, const char *string)
{
        char value[VALUE_MAX_BYTES + sizeof(ELLIPSIS)];

        put_bytes(text, value, printable_value(string, value));
}

size_t audit_quote(const char *string, char *ret, size_t size)
{
        struct audit_text text = {.data = ret, .size = size};

        if (size == 0)
                return 0;
        put_bytes(&text, "\"", 1);
        put_escaped(&text, string, SIZE_MAX);
        put_bytes(&text, "\"", 1);
        return text.bad ? 0 : text.length;
}

void audit_time(uint64_t wall_usec, char ret[static AUDIT_TIME_SIZE])
{
        time_t seconds = (time_t)(wall_usec / USEC_PER_SEC);
        struct tm tm = {0};
        char text[64];

        (void)gmtime_r(&seconds, &tm);
        /* The year has four digits, whatever the clock of the machine says. */
        (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", (tm.tm_year + 1900) % 10000,
                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                (unsigned)(wall_usec % USEC_PER_SEC));
        memcpy(ret, text, AUDIT_TIME_SIZE - 1);
        ret[AUDIT_TIME_SIZE - 1] = '\0';
}

/* Where a field goes. Both renderings walk over the same fields, so that neither lacks one. */
struct sink {
        struct audit_text *json; /* or */
        struct journal_record *journal;
};

static void sink_text(struct sink *sink, const char *json, const char *field, const char *value)
{
        if (!value)
                return;
        if (sink->journal) {
                char printed[VALUE_MAX_BYTES + sizeof(ELLIPSIS)];

                journal_put(sink->journal, field, printed, printable_value(value, printed));
                return;
        }
        put_format(sink->json, "%s\"%s\":\"", sink->json->length > 1 ? "," : "", json);
        put_value(sink->json, value);
        put_bytes(sink->json, "\"", 1);
}

static void sink_number(struct sink *sink, const char *json, const char *field, bool given, uint64_t value)
{
        if (!given)
                return;
        if (sink->journal)
                journal_put_format(sink->journal, field, "%" PRIu64, value);
        else
                put_format(sink->json, "%s\"%s\":%" PRIu64, sink->json->length > 1 ? "," : "", json, value);
}

static void sink_hex(struct sink *sink, const char *json, const char *field, const uint8_t *bytes, size_t n)
{
        char hex[2 * LIMIT_KEY_ID + 1];

        if (n == 0)
                return;
        if (n > LIMIT_KEY_ID) {
                /* This is neither a CKA_ID nor a digest. It must not be cut, so the record is refused. */
                if (sink->journal)
                        sink->journal->bad = true;
                else
                        sink->json->bad = true;
                return;
        }
        text_hex(bytes, n, hex);
        sink_text(sink, json, field, hex);
}

static const char *record_operation(const struct audit_record *record)
{
        return record->operation ? record->operation : audit_kind_name(record->kind);
}

static void sink_record(struct sink *sink, const struct audit_record *r)
{
        char when[AUDIT_TIME_SIZE];

        audit_time(r->when_usec, when);
        sink_text(sink, "time", "TOKEND_TIME", when);
        sink_text(sink, "kind", "TOKEND_KIND", audit_kind_name(r->kind));
        sink_text(sink, "operation", "TOKEND_OPERATION", record_operation(r));
        sink_text(sink, "result", "TOKEND_RESULT", r->result);
        sink_text(sink, "instance", "TOKEND_INSTANCE", r->instance);
        sink_number(sink, "uid", "TOKEND_PEER_UID", r->has_peer, r->uid);
        sink_number(sink, "gid", "TOKEND_PEER_GID", r->has_peer, r->gid);
        sink_number(sink, "pid", "TOKEND_PEER_PID", r->has_peer, (uint64_t)r->pid);
        sink_text(sink, "unit", "TOKEND_PEER_UNIT", r->unit);
        sink_text(sink, "token", "TOKEND_TOKEN", r->token);
        sink_text(sink, "key", "TOKEND_KEY", r->nickname);
        sink_hex(sink, "keyId", "TOKEND_KEY_ID", r->key_id, r->key_id_length);
        sink_text(sink, "sealed", "TOKEND_SEALED", r->sealed);
        sink_text(sink, "algorithm", "TOKEND_ALGORITHM", r->algorithm);
        sink_hex(sink, "digest", "TOKEND_DIGEST", r->digest, r->digest_length);
        sink_number(sink, "messageLength", "TOKEND_MESSAGE_LENGTH", r->of_message, r->message_length);
        sink_text(sink, "ckr", "TOKEND_CKR", r->ckr);
        sink_text(sink, "reason", "TOKEND_REASON", r->reason);
        sink_number(sink, "request", "TOKEND_REQUEST", r->request > 0, r->request);
        sink_number(sink, "attempt", "TOKEND_ATTEMPT", r->attempt > 0, r->attempt);
        sink_number(sink, "count", "TOKEND_COUNT", r->count > 0, r->count);
}

int audit_json(const struct audit_record *record, char *ret, size_t size, size_t *ret_length)
{
        struct audit_text text = {.data = ret, .size = MIN_OF(size, (size_t)LIMIT_AUDIT_RECORD)};
        struct sink sink = {.json = &text};

        if (!audit_kind_name(record->kind))
                return -EINVAL;
        put_bytes(&text, "{", 1);
        sink_record(&sink, record);
        put_bytes(&text, "}", 1);
        if (text.bad)
                return -EMSGSIZE;
        *ret_length = text.length;
        return 0;
}

/* `ca (uid 17, pid 4711): sign with hsm:CA Signing (rsa_pkcs1_sha256): ok`. */
static void record_sentence(const struct audit_record *r, struct audit_text *text)
{
        if (r->instance)
                put_printable(text, r->instance);
        else
                put_format(text, r->has_peer ? "caller" : "tokend");
        if (r->has_peer)
                put_format(text, " (uid %u, pid %d)", (unsigned)r->uid, (int)r->pid);
        put_format(text, ": %s", audit_kind_name(r->kind));
        if (r->operation && strcmp(r->operation, audit_kind_name(r->kind)) != 0) {
                put_format(text, " ");
                put_printable(text, r->operation);
        }
        if (r->token || r->nickname) {
                put_format(text, " ");
                put_printable(text, r->token ? r->token : "");
                put_format(text, r->token && r->nickname ? ":" : "");
                put_printable(text, r->nickname ? r->nickname : "");
        }
        if (r->algorithm) {
                put_format(text, " ");
                put_printable(text, r->algorithm);
        }
        if (r->result) {
                put_format(text, ": ");
                put_printable(text, r->result);
        }
        if (r->reason) {
                put_format(text, ": ");
                put_printable(text, r->reason);
        }
        if (r->detail) {
                put_format(text, ": ");
                put_printable(text, r->detail);
        }
}

/* Bytes of a sentence for the catalog. All four together leave the record within JOURNAL_RECORD_MAX. */
#define SENTENCE_MAX_BYTES 384U

static void put_who(const struct audit_record *r, struct audit_text *text)
{
        put_printable(text, r->instance ? r->instance : r->has_peer ? "A caller of no instance" : "tokend");
        if (r->has_peer)
                put_format(text, " (user %u, process %d, unit ", (unsigned)r->uid, (int)r->pid);
        if (r->has_peer)
                put_printable(text, r->unit ? r->unit : "unknown");
        put_format(text, r->has_peer ? ")" : "");
}

static void put_what(const struct audit_record *r, struct audit_text *text)
{
        put_printable(text, r->nickname ? r->nickname : r->sealed ? "a sealed key" : "no key");
        put_format(text, r->token ? " on the token " : "");
        put_printable(text, r->token ? r->token : "");
}

static void put_end(const struct audit_record *r, struct audit_text *text)
{
        const char *const parts[] = {r->result ? r->result : "none", r->ckr, r->reason, r->detail};

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                if (!parts[i])
                        continue;
                put_format(text, i > 0 ? ", " : "");
                put_printable(text, parts[i]);
        }
}

static void put_with(const struct audit_record *r, struct audit_text *text)
{
        put_printable(text, r->algorithm ? r->algorithm : "no algorithm");
}

/* What the catalog has in its sentences: there in each record, whatever is known. */
static void put_sentences(const struct audit_record *r, struct journal_record *journal)
{
        static const struct {
                const char *field;
                void (*put)(const struct audit_record *r, struct audit_text *text);
        } sentences[] = {{"TOKEND_WHO", put_who}, {"TOKEND_WHAT", put_what}, {"TOKEND_WITH", put_with},
                {"TOKEND_END", put_end}};

        for (size_t i = 0; i < ARRAY_SIZE(sentences); i++) {
                char value[4096];
                struct audit_text text = {.data = value, .size = sizeof(value)};

                sentences[i].put(r, &text);
                journal_put(journal, sentences[i].field, value,
                        text.length > SENTENCE_MAX_BYTES ? utf8_whole(value, SENTENCE_MAX_BYTES)
                                                         : text.length);
        }
}

/* A syslog(3) priority: higher for what an operator should see than for daily business. */
static unsigned record_priority(const struct audit_record *r)
{
        if (r->kind == AUDIT_LOST)
                return 2;
        if (r->kind == AUDIT_DENIED || r->kind == AUDIT_REPEAT)
                return 4;
        return r->result && strcmp(r->result, "ok") != 0 && strcmp(r->result, "begun") != 0 ? 4 : 6;
}

int audit_journal(const struct audit_record *record, struct journal_record *ret)
{
        char sentence[4096];
        struct audit_text text = {.data = sentence, .size = sizeof(sentence)};
        struct sink sink = {.journal = ret};

        if (!audit_kind_name(record->kind))
                return -EINVAL;
        record_sentence(record, &text);
        journal_record_init(ret);
        /* The sentence may be cut: the fields are whole. */
        journal_put(ret, "MESSAGE", sentence, text.length);
        journal_put_text(ret, "MESSAGE_ID", audit_message_id(record->kind));
        journal_put_format(ret, "PRIORITY", "%u", record_priority(record));
        journal_put_text(ret, "SYSLOG_IDENTIFIER", "tokend");
        sink_record(&sink, record);
        put_sentences(record, ret);
        return ret->bad ? -EMSGSIZE : 0;
}
