/* SPDX-License-Identifier: MPL-2.0 */
/* See directory.h. Three hash tables of one size over the same entries, chained through them. */
#include "daemon/broker/model/directory.h"

#include <string.h>

#define FIRST_BUCKETS 64U
/* enum object_kind, and one for 0. */
#define N_KINDS (OBJECT_SECRET + 1U)

struct directory {
        char *token;
        size_t n_buckets, n_bytes, n, n_of[N_KINDS];
        struct entry **numbers, **ids;
        struct entry_name **nicknames;
        struct entry **sorted[N_KINDS]; /* NULL: not made since the last change */
};

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

static struct entry_name **slot_nickname(const struct directory *d, const char *nickname)
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
        d->numbers = calloc(2 * FIRST_BUCKETS, sizeof(*d->numbers));
        d->nicknames = calloc(FIRST_BUCKETS, sizeof(*d->nicknames));
        if (!d->token || !d->numbers || !d->nicknames) {
                directory_free(d);
                return -ENOMEM;
        }
        d->ids = d->numbers + FIRST_BUCKETS;
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
        free(d->nicknames);
        free(d->token);
        free(d);
}

static void link_entry(struct directory *d, struct entry *entry)
{
        struct entry **number = slot_number(d, entry->number), **id = slot_id(d, entry->id, entry->id_length);

        entry->next_number = *number;
        *number = entry;
        entry->next_id = *id;
        *id = entry;
        for (size_t i = 0; i < entry->n_names; i++) {
                struct entry_name **nickname = slot_nickname(d, entry->names[i].text);

                entry->names[i].next = *nickname;
                *nickname = &entry->names[i];
        }
}

static int directory_grow(struct directory *d)
{
        size_t n_old = d->n_buckets;
        struct entry **old = d->numbers, **buckets = calloc(2 * 2 * n_old, sizeof(*buckets));
        struct entry_name **nicknames = calloc(2 * n_old, sizeof(*nicknames));

        if (!buckets || !nicknames) {
                free(buckets);
                free(nicknames);
                return -ENOMEM;
        }
        free(d->nicknames);
        d->n_buckets = 2 * n_old;
        d->numbers = buckets;
        d->nicknames = nicknames;
        d->ids = buckets + d->n_buckets;
        for (size_t i = 0; i < n_old; i++)
                for (struct entry *entry = old[i], *next; entry; entry = next) {
                        next = entry->next_number;
                        link_entry(d, entry);
                }
        free(old);
        return 0;
}

static void unlink_name(struct entry_name **at, struct entry_name *name)
{
        while (*at != name)
                at = &(*at)->next;
        *at = name->next;
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
        for (size_t i = 0; i < entry->n_names; i++)
                unlink_name(slot_nickname(d, entry->names[i].text), &entry->names[i]);
        unlink_from(slot_id(d, entry->id, entry->id_length), entry, offsetof(struct entry, next_id));
        d->n--;
        d->n_bytes -= entry->n_bytes;
        d->n_of[entry->kind]--;
        directory_changed(d, entry->kind);
        entry->live = false;
        entry_unref(entry);
}

int directory_put(struct directory *d, const struct message_entry *message)
{
        struct entry *entry, *old = directory_number(d, message->number);
        int r;

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
        if (d->n_bytes + entry->n_bytes > LIMIT_OBJECTS_BYTES) {
                entry_unref(entry);
                return -ENOSPC;
        }
        if (old)
                remove_entry(d, old);
        link_entry(d, entry);
        d->n++;
        d->n_bytes += entry->n_bytes;
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
        struct entry_name *name = after ? entry_name(after, nickname)->next : *slot_nickname(d, nickname);

        while (name && strcmp(name->text, nickname) != 0)
                name = name->next;
        return name ? name->entry : NULL;
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

struct entry *directory_current(const struct directory *d, const struct entry *entry)
{
        return entry->live ? (struct entry *)(uintptr_t)entry : directory_same_key(d, entry);
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
