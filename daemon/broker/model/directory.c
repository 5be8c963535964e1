/* SPDX-License-Identifier: MPL-2.0 */
/* See directory.h. Three hash tables of one size over the same entries, chained through them. */
#include "daemon/broker/model/directory.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "gen/broker/base/replies.h"

#define FIRST_BUCKETS 64U
/* enum object_kind, and one for 0. */
#define N_KINDS (OBJECT_CERTIFICATE + 1U)
/* Bits of the largest RSA key that is listed: its signature is LIMIT_SIGNATURE. */
#define RSA_BITS_LISTED (LIMIT_SIGNATURE * 8U)

struct directory {
        char *token;
        size_t n_buckets, n, n_of[N_KINDS];
        struct entry **numbers, **nicknames, **ids;
        struct entry **sorted[N_KINDS]; /* NULL: not made since the last change */
};

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

static bool bytes_equal(const void *a, size_t n_a, const void *b, size_t n_b)
{
        return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

bool entry_is_same(const struct entry *a, const struct entry *b)
{
        return a->kind == b->kind && bytes_equal(a->id, a->id_length, b->id, b->id_length) &&
               bytes_equal(a->der, a->der_length, b->der, b->der_length) &&
               /* Of keys without a public half only the name is left to tell them apart. */
               (a->der_length > 0 || strcmp(a->nickname, b->nickname) == 0);
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

/* FNV-1a. Whoever can put nicknames of a choice on a token could make chains long, and gains nothing by it.
 */
static size_t hash_bytes(const void *bytes, size_t n)
{
        const unsigned char *at = bytes;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
        return (size_t)(hash ^ hash >> 32);
}

static struct entry **slot_number(const struct directory *d, uint64_t number)
{
        return &d->numbers[hash_bytes(&number, sizeof(number)) & (d->n_buckets - 1)];
}

static struct entry **slot_nickname(const struct directory *d, const char *nickname)
{
        return &d->nicknames[hash_bytes(nickname, strlen(nickname)) & (d->n_buckets - 1)];
}

static struct entry **slot_id(const struct directory *d, const void *id, size_t n)
{
        return &d->ids[hash_bytes(id, n) & (d->n_buckets - 1)];
}

int directory_new(const char *token, struct directory **ret)
{
        struct directory *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->n_buckets = FIRST_BUCKETS;
        d->token = strdup(token);
        d->numbers = calloc(3 * FIRST_BUCKETS, sizeof(*d->numbers));
        if (!d->token || !d->numbers) {
                directory_free(d);
                return -ENOMEM;
        }
        d->nicknames = d->numbers + FIRST_BUCKETS;
        d->ids = d->nicknames + FIRST_BUCKETS;
        *ret = d;
        return 0;
}

void directory_free(struct directory *d)
{
        if (!d)
                return;
        for (size_t i = 0; d->numbers && i < d->n_buckets; i++)
                for (struct entry *entry = d->numbers[i], *next; entry; entry = next) {
                        next = entry->next_number;
                        entry->live = false;
                        entry_unref(entry);
                }
        for (size_t i = 0; i < N_KINDS; i++)
                free(d->sorted[i]);
        free(d->numbers);
        free(d->token);
        free(d);
}

static void link_entry(struct directory *d, struct entry *entry)
{
        struct entry **number = slot_number(d, entry->number), **nickname = slot_nickname(d, entry->nickname),
                     **id = slot_id(d, entry->id, entry->id_length);

        entry->next_number = *number;
        *number = entry;
        entry->next_nickname = *nickname;
        *nickname = entry;
        entry->next_id = *id;
        *id = entry;
}

static int directory_grow(struct directory *d)
{
        size_t n_old = d->n_buckets;
        struct entry **old = d->numbers, **buckets = calloc(3 * 2 * n_old, sizeof(*buckets));

        if (!buckets)
                return -ENOMEM;
        d->n_buckets = 2 * n_old;
        d->numbers = buckets;
        d->nicknames = buckets + d->n_buckets;
        d->ids = d->nicknames + d->n_buckets;
        for (size_t i = 0; i < n_old; i++)
                for (struct entry *entry = old[i], *next; entry; entry = next) {
                        next = entry->next_number;
                        link_entry(d, entry);
                }
        free(old);
        return 0;
}

static void unlink_from(struct entry **at, struct entry *entry, size_t next_offset)
{
        while (*at != entry)
                at = (struct entry **)(void *)((char *)*at + next_offset);
        *at = *(struct entry **)(void *)((char *)entry + next_offset);
}

static void directory_changed(struct directory *d, enum object_kind kind)
{
        free(d->sorted[kind]);
        d->sorted[kind] = NULL;
}

static void remove_entry(struct directory *d, struct entry *entry)
{
        unlink_from(slot_number(d, entry->number), entry, offsetof(struct entry, next_number));
        unlink_from(slot_nickname(d, entry->nickname), entry, offsetof(struct entry, next_nickname));
        unlink_from(slot_id(d, entry->id, entry->id_length), entry, offsetof(struct entry, next_id));
        d->n--;
        d->n_of[entry->kind]--;
        directory_changed(d, entry->kind);
        entry->live = false;
        entry_unref(entry);
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
               m->serial[strspn(m->serial, "0123456789abcdef")] == '\0' && m->not_before_usec <= INT64_MAX &&
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
        return m->kind == OBJECT_CERTIFICATE && certificate_is_possible(m);
}

/* The elements of Key.usage. */
static void put_usage(struct output *output, void *userdata)
{
        const uint32_t *usage = userdata;
        const char *comma = "";

        for (unsigned bit = USAGE_SIGN; bit <= USAGE_DERIVE; bit <<= 1)
                if (*usage & bit) {
                        output_text(output, comma);
                        output_string(output, usage_name(bit));
                        comma = ",";
                }
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
        if (out.failed) {
                output_done(&out);
                return -ENOMEM;
        }
        entry->json_length = output_pending(&out);
        /* Cut to size: there is one for each key of the token, for good. */
        entry->json = realloc(out.data, entry->json_length);
        if (!entry->json)
                entry->json = out.data;
        return 0;
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
                .der = wire_bytes(entry->der, entry->der_length),
        };

        text_hex(entry->id, entry->id_length, id);
        certificates_certificate_put(output, &certificate);
}

bool entry_is_listed(const struct entry *entry)
{
        return entry->kind == OBJECT_KEY ||
               (entry->serial[0] && entry->der_length > 0 && entry->der_length <= LIMIT_CERTIFICATE);
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

static const char *store_text(char **at, const char *text)
{
        return store(at, text, strlen(text) + 1);
}

static int entry_new(const char *token, const struct message_entry *m, struct entry **ret)
{
        struct entry *entry =
                malloc(sizeof(*entry) + strlen(token) + strlen(m->nickname) + strlen(m->subject) +
                        strlen(m->issuer) + strlen(m->serial) + 5 + m->id.length + m->der.length);
        char *at;

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
        at = (char *)(entry + 1);
        entry->token = store_text(&at, token);
        entry->nickname = store_text(&at, m->nickname);
        entry->subject = store_text(&at, m->subject);
        entry->issuer = store_text(&at, m->issuer);
        entry->serial = store_text(&at, m->serial);
        entry->id = store(&at, m->id.data, m->id.length);
        entry->der = store(&at, m->der.data, m->der.length);
        if (entry->kind == OBJECT_KEY && render_key(entry) < 0) {
                entry_unref(entry);
                return -ENOMEM;
        }
        *ret = entry;
        return 0;
}

int directory_put(struct directory *d, const struct message_entry *message)
{
        struct entry *entry, *old = directory_number(d, message->number);
        int r;

        if (!message_is_possible(message))
                return -EBADMSG;
        if (!old && d->n >= LIMIT_OBJECTS)
                return -ENOSPC;
        if (d->n >= d->n_buckets) {
                r = directory_grow(d);
                if (r < 0)
                        return r;
        }
        r = entry_new(d->token, message, &entry);
        if (r < 0)
                return r;
        if (old)
                remove_entry(d, old);
        link_entry(d, entry);
        d->n++;
        d->n_of[entry->kind]++;
        directory_changed(d, entry->kind);
        return 0;
}

int directory_drop(struct directory *d, uint64_t number)
{
        struct entry *entry = directory_number(d, number);

        if (!entry)
                return 1;
        remove_entry(d, entry);
        return 0;
}

size_t directory_count(const struct directory *d, enum object_kind kind)
{
        return d->n_of[kind];
}

struct entry *directory_number(const struct directory *d, uint64_t number)
{
        struct entry *entry = *slot_number(d, number);

        while (entry && entry->number != number)
                entry = entry->next_number;
        return entry;
}

struct entry *directory_nickname(const struct directory *d, const char *nickname, struct entry *after)
{
        struct entry *entry = after ? after->next_nickname : *slot_nickname(d, nickname);

        while (entry && strcmp(entry->nickname, nickname) != 0)
                entry = entry->next_nickname;
        return entry;
}

struct entry *directory_id(const struct directory *d, const void *id, size_t length, struct entry *after)
{
        struct entry *entry = after ? after->next_id : *slot_id(d, id, length);

        while (entry && !bytes_equal(entry->id, entry->id_length, id, length))
                entry = entry->next_id;
        return entry;
}

struct entry *directory_same_key(const struct directory *d, const struct entry *entry)
{
        struct entry *at = NULL;

        while ((at = directory_id(d, entry->id, entry->id_length, at)))
                if (entry_is_same(at, entry))
                        return at;
        return NULL;
}

static int compare_places(const void *a, const void *b)
{
        return entry_compare(*(struct entry *const *)a, *(struct entry *const *)b);
}

struct entry *directory_next(const struct directory *d, enum object_kind kind, const struct entry *after)
{
        struct entry *entry = after ? after->next_number : d->numbers[0];
        size_t i = after ? (size_t)(slot_number(d, after->number) - d->numbers) : 0;

        for (;;) {
                while (entry && entry->kind != kind)
                        entry = entry->next_number;
                if (entry || ++i >= d->n_buckets)
                        return entry;
                entry = d->numbers[i];
        }
}

int directory_sorted(struct directory *d, enum object_kind kind, struct entry ***ret)
{
        struct entry **sorted = d->sorted[kind], *entry = NULL;
        size_t n = 0;

        if (!sorted && d->n_of[kind] > 0) {
                sorted = malloc(d->n_of[kind] * sizeof(struct entry *));
                if (!sorted)
                        return -ENOMEM;
                while ((entry = directory_next(d, kind, entry)))
                        sorted[n++] = entry;
                qsort(sorted, n, sizeof(*sorted), compare_places);
                d->sorted[kind] = sorted;
        }
        *ret = sorted;
        return 0;
}
