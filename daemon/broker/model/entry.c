/* SPDX-License-Identifier: MPL-2.0 */
/* See entry.h. */
#include "daemon/broker/model/entry.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"
#include "gen/broker/base/replies.h"

/* Bits of the largest RSA key that is listed: its signature is LIMIT_SIGNATURE. */
#define RSA_BITS_LISTED (LIMIT_SIGNATURE * 8U)

struct entry *entry_ref(struct entry *entry)
{
        entry->refs++;
        return entry;
}

void entry_unref(struct entry *entry)
{
        if (!entry || --entry->refs > 0)
                return;
        free(entry->json);
        free(entry);
}

bool bytes_equal(const void *a, size_t n_a, const void *b, size_t n_b)
{
        return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

bool entry_is_same(const struct entry *a, const struct entry *b)
{
        return a->kind == b->kind && bytes_equal(a->id, a->id_length, b->id, b->id_length) &&
               bytes_equal(a->der, a->der_length, b->der, b->der_length) &&
               /* A key's nickname may be that of a certificate which came or went. Without its public half only that is left to
                * tell it from others. */
               ((a->kind == OBJECT_KEY && a->der_length > 0) || strcmp(a->nickname, b->nickname) == 0);
}

struct entry_name *entry_name(const struct entry *entry, const char *text)
{
        for (size_t i = 0; i < entry->n_names; i++)
                if (strcmp(entry->names[i].text, text) == 0)
                        return &entry->names[i];
        return NULL;
}

int entry_compare(const struct entry *a, const struct entry *b)
{
        int r = strcmp(a->nickname, b->nickname);

        if (r == 0)
                r = memcmp(a->id, b->id, MIN_OF(a->id_length, b->id_length));
        if (r == 0 && a->id_length != b->id_length)
                r = a->id_length < b->id_length ? -1 : 1;
        if (r == 0 && a->number != b->number)
                r = a->number < b->number ? -1 : 1;
        return r;
}

static bool key_is_possible(const struct message_entry *m)
{
        switch (m->key_type) {
        case KEY_RSA:
                return m->size > 0 && m->size <= RSA_BITS_LISTED;
        case KEY_EC:
        case KEY_ED25519:
                return curve_name(m->size) && (m->key_type == KEY_ED25519) == (m->size == 255);
        default:
                return false;
        }
}

static bool certificate_is_possible(const struct message_entry *m)
{
        return text_is_utf8(m->subject, strlen(m->subject)) && text_is_utf8(m->issuer, strlen(m->issuer)) &&
               m->serial[strspn(m->serial, "-0123456789abcdef")] == '\0' && m->not_before_usec <= INT64_MAX &&
               m->not_after_usec <= INT64_MAX;
}

static bool message_is_possible(const struct message_entry *m)
{
        size_t length = strlen(m->nickname);

        if (m->id.length > LIMIT_KEY_ID || (length > 0 && !text_is_listable(m->nickname, length)))
                return false;
        /* A key whose public half is nowhere on the token has no DER: it is listed, and it signs. */
        if (m->kind == OBJECT_KEY)
                return key_is_possible(m);
        /* Others may have made one that is longer than ours. */
        if (m->kind == OBJECT_SECRET)
                return secret_type_info(m->key_type) && !secret_type_info(m->key_type)->is_private &&
                       m->size > 0 && m->size <= INT32_MAX;
        return m->kind == OBJECT_CERTIFICATE && certificate_is_possible(m);
}

/* The elements of Key.usage, and of Secret.usage. */
static void put_usage(struct output *output, void *userdata)
{
        const uint32_t *usage = userdata;
        const char *comma = "";

        for (unsigned bit = USAGE_SIGN; usage_name(bit); bit <<= 1)
                if (*usage & bit) {
                        output_text(output, comma);
                        output_string(output, usage_name(bit));
                        comma = ",";
                }
}

/* Cut to size: there is one for each key of the token, for good. */
static int keep_json(struct entry *entry, struct output *out)
{
        if (out->failed) {
                output_done(out);
                return -ENOMEM;
        }
        entry->json_length = output_pending(out);
        entry->json = realloc(out->data, entry->json_length);
        if (!entry->json)
                entry->json = out->data;
        return 0;
}

static int render_secret(struct entry *entry)
{
        char id[2 * LIMIT_KEY_ID + 1];
        struct output out = {0};
        struct secrets_secret secret = {
                .token = entry->token,
                .nickname = entry->nickname,
                .id = id,
                .type = secret_type_info(entry->key_type)->name,
                .length = entry->size,
                .usage = {put_usage, &entry->usage},
                .sensitive = entry->flags & FLAG_SENSITIVE,
                .extractable = entry->flags & FLAG_EXTRACTABLE,
                .never_extractable = entry->flags & FLAG_NEVER_EXTRACTABLE,
                .local = entry->flags & FLAG_LOCAL,
        };

        text_hex(entry->id, entry->id_length, id);
        secrets_secret_put(&out, &secret);
        return keep_json(entry, &out);
}

static int render_key(struct entry *entry)
{
        char id[2 * LIMIT_KEY_ID + 1];
        struct output out = {0};
        struct keys_key key = {
                .token = entry->token,
                .nickname = entry->nickname,
                .id = id,
                .type = key_type_name(entry->key_type),
                .size = entry->size,
                .curve = entry->key_type == KEY_RSA ? NULL : curve_name(entry->size),
                .public_key = wire_bytes(entry->der, entry->der_length),
                .usage = {put_usage, &entry->usage},
                .sensitive = entry->flags & FLAG_SENSITIVE,
                .extractable = entry->flags & FLAG_EXTRACTABLE,
                .never_extractable = entry->flags & FLAG_NEVER_EXTRACTABLE,
                .local = entry->flags & FLAG_LOCAL,
                .has_certificate = entry->flags & FLAG_HAS_CERTIFICATE,
        };

        text_hex(entry->id, entry->id_length, id);
        keys_key_put(&out, &key);
        return keep_json(entry, &out);
}

static int render(struct entry *entry)
{
        switch (entry->kind) {
        case OBJECT_KEY:
                return render_key(entry);
        case OBJECT_SECRET:
                return render_secret(entry);
        default:
                return 0;
        }
}

static void put_certificate(struct output *output, const struct entry *entry)
{
        char id[2 * LIMIT_KEY_ID + 1];
        struct certificates_certificate certificate = {
                .token = entry->token,
                .nickname = entry->nickname,
                .id = id,
                .subject = entry->subject,
                .issuer = entry->issuer,
                .serial_number = entry->serial,
                .not_before_usec = entry->not_before_usec,
                .not_after_usec = entry->not_after_usec,
                .has_private_key = entry->flags & FLAG_HAS_PRIVATE_KEY,
                .der = wire_bytes(entry->der, entry->der_length <= LIMIT_CERTIFICATE ? entry->der_length : 0),
        };

        text_hex(entry->id, entry->id_length, id);
        certificates_certificate_put(output, &certificate);
}

void entry_put(struct output *output, void *userdata)
{
        const struct entry *entry = userdata;

        if (!entry->json) {
                put_certificate(output, entry);
                return;
        }
        if (!entry->copy) {
                output_bytes(output, entry->json, entry->json_length);
                return;
        }
        /* Before the brace that closes it. */
        output_bytes(output, entry->json, entry->json_length - 1);
        output_text(output, ",\"acceleratedBy\":");
        output_string(output, entry->accelerator);
        output_text(output, "}");
}

/* Copies n bytes to *at, and moves it behind them. */
static void *store(char **at, const void *bytes, size_t n)
{
        void *place = *at;

        if (n > 0)
                memcpy(place, bytes, n);
        *at += n;
        return place;
}

uint64_t content_add(uint64_t content, const void *bytes, size_t n)
{
        const unsigned char *at = bytes;

        /* FNV-1a. */
        for (size_t i = 0; i < n; i++)
                content = (content ^ at[i]) * UINT64_C(0x100000001b3);
        return content;
}

/* Of a key its JSON; of a certificate what that is made of. And the names by which it is seen. */
static uint64_t content_of(const struct entry *entry)
{
        uint64_t content = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 1; i < entry->n_names; i++)
                content = content_add(content, entry->names[i].text, strlen(entry->names[i].text) + 1);
        if (entry->json)
                return content_add(content, entry->json, entry->json_length);
        content = content_add(content, entry->token, strlen(entry->token) + 1);
        content = content_add(content, entry->nickname, strlen(entry->nickname) + 1);
        content = content_add(content, &entry->flags, sizeof(entry->flags));
        content = content_add(content, &entry->id_length, sizeof(entry->id_length));
        content = content_add(content, entry->id, entry->id_length);
        return content_add(content, entry->der, entry->der_length);
}

static const char *store_text(char **at, const char *text)
{
        return store(at, text, strlen(text) + 1);
}

/* How many other names there are. -EBADMSG: there is something else, or too many. */
static int count_names(const struct message_entry *m, size_t *ret)
{
        const char *at = (const char *)m->other_names.data, *end = at + m->other_names.length;
        size_t n = 0;

        for (; at < end; n++) {
                size_t length = strnlen(at, (size_t)(end - at));

                if (n == LIMIT_OTHER_NAMES || at + length == end || !text_is_listable(at, length))
                        return -EBADMSG;
                at += length + 1;
        }
        if (n > 0 && (m->kind != OBJECT_KEY || !m->nickname[0]))
                return -EBADMSG;
        *ret = n;
        return 0;
}

static bool add_name(struct entry *entry, const char *text)
{
        if (entry_name(entry, text))
                return false;
        entry->names[entry->n_names++] = (struct entry_name){.text = text, .entry = entry};
        return true;
}

/* The nickname, and the n others. false: one of them is there twice. */
static bool keep_names(struct entry *entry, char **at, const struct message_entry *m, size_t n)
{
        const char *text = *at;
        bool good = true;

        entry->nickname = store_text(at, m->nickname);
        if (entry->kind == OBJECT_KEY)
                unnamed_set_id((char *)(uintptr_t)entry->nickname, m->id.data, m->id.length);
        (void)add_name(entry, entry->nickname);
        text = store(at, m->other_names.data, m->other_names.length);
        for (size_t i = 0; i < n && good; i++, text += strlen(text) + 1)
                good = add_name(entry, text);
        return good;
}

int entry_new(const char *token, const struct message_entry *m, struct entry **ret)
{
        size_t n_others, names_size,
                size = sizeof(struct entry) + strlen(token) + strlen(m->nickname) + strlen(m->subject) +
                       strlen(m->issuer) + strlen(m->serial) + strlen(m->nickname) + 6 + m->id.length +
                       m->der.length + m->other_names.length;
        struct entry *entry;
        char *at;

        if (!message_is_possible(m) || count_names(m, &n_others) < 0)
                return -EBADMSG;
        names_size = (1 + n_others) * sizeof(struct entry_name);
        size += names_size;
        entry = malloc(size);
        if (!entry)
                return -ENOMEM;
        *entry = (struct entry){.refs = 1,
                .live = true,
                .kind = m->kind,
                .key_type = m->key_type,
                .number = m->number,
                .size = m->size,
                .usage = m->usage,
                .flags = m->flags,
                .not_before_usec = m->not_before_usec,
                .not_after_usec = m->not_after_usec,
                .id_length = m->id.length,
                .der_length = m->der.length};
        entry->names = (struct entry_name *)(entry + 1);
        at = (char *)(entry + 1) + names_size;
        if (!keep_names(entry, &at, m, n_others)) {
                free(entry);
                return -EBADMSG;
        }
        entry->token = store_text(&at, token);
        entry->label = store_text(&at, m->nickname);
        entry->subject = store_text(&at, m->subject);
        entry->issuer = store_text(&at, m->issuer);
        entry->serial = store_text(&at, m->serial);
        entry->id = store(&at, m->id.data, m->id.length);
        entry->der = store(&at, m->der.data, m->der.length);
        if (render(entry) < 0) {
                entry_unref(entry);
                return -ENOMEM;
        }
        entry->n_bytes = size + entry->json_length;
        entry->content = content_of(entry);
        *ret = entry;
        return 0;
}
