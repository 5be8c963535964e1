/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The renewal of the inventory (inventory.h): list, read what is new, join, publish, tell. Until it
 * publishes, all it makes is its own, so that a failure leaves the inventory as it was.
 */
#include <string.h>

#include "daemon/worker/core/join.h"
#include "daemon/worker/encoding/certificate.h"

/* Handles asked for in one call, and known objects read again in one renewal. */
#define FIND_AT_ONCE  256U
#define CHECK_AT_ONCE 16U

struct listed {
        CK_OBJECT_CLASS class;
        CK_OBJECT_HANDLE handle;
};

struct handle_list {
        struct listed *items;
        size_t n, size;
};

struct renewal {
        struct inventory *inventory;
        struct session *session;
        struct handle_list listing;
        struct object **objects; /* what there is now: known ones, and new ones with number 0 */
        size_t n;
        bool changed;
};

static CK_RV handle_list_add(
        struct handle_list *listing, CK_OBJECT_CLASS class, const CK_OBJECT_HANDLE *handles, size_t n)
{
        if (listing->n + n > listing->size) {
                size_t size = 2 * listing->size + n + FIND_AT_ONCE;
                struct listed *items = realloc(listing->items, size * sizeof(*items));
                if (!items)
                        return CKR_HOST_MEMORY;
                listing->items = items;
                listing->size = size;
        }
        for (size_t i = 0; i < n; i++)
                listing->items[listing->n++] = (struct listed){class, handles[i]};
        return CKR_OK;
}

static CK_RV list_class(struct session *session, CK_OBJECT_CLASS class, struct handle_list *listing)
{
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_OBJECT_HANDLE handles[FIND_AT_ONCE];
        CK_ULONG n = 0;
        CK_RV rv, final;

        rv = P11(session, C_FindObjectsInit, session->handle, template, ARRAY_SIZE(template));
        if (rv != CKR_OK)
                return rv;
        do {
                rv = P11(session, C_FindObjects, session->handle, handles, FIND_AT_ONCE, &n);
                if (rv == CKR_OK)
                        rv = handle_list_add(listing, class, handles, MIN_OF(n, FIND_AT_ONCE));
        } while (rv == CKR_OK && n > 0);
        final = P11(session, C_FindObjectsFinal, session->handle);
        return rv != CKR_OK ? rv : final;
}

static void mark_for_check(struct inventory *inventory)
{
        const struct index *index = &inventory->index;

        for (size_t i = 0; i < MIN_OF(index->n, CHECK_AT_ONCE); i++)
                index->by_handle[(inventory->check_at + i) % index->n]->check = inventory->round;
        inventory->check_at = index->n > 0 ? (inventory->check_at + CHECK_AT_ONCE) % index->n : 0;
}

/* Whether what was read is the object that we know: not where that was destroyed, and its handle is another's by now. */
static bool is_same(struct inventory *inventory, struct object *known, const struct object *read)
{
        bool destroyed;

        pthread_mutex_lock(&inventory->lock);
        known->doubted = false;
        destroyed = known->destroyed;
        pthread_mutex_unlock(&inventory->lock);
        return !destroyed && object_same(known, read);
}

static bool is_doubted(struct inventory *inventory, const struct object *known)
{
        bool doubted;

        pthread_mutex_lock(&inventory->lock);
        doubted = known->doubted;
        pthread_mutex_unlock(&inventory->lock);
        return doubted || known->check == inventory->round;
}

/* One handle of the list: the object we know, or what the token says of it. */
static CK_RV renew_one(struct renewal *renewal, const struct listed *listed)
{
        struct inventory *inventory = renewal->inventory;
        struct object *known = index_by_handle(&inventory->index, listed->class, listed->handle);
        struct object *read = NULL;
        CK_RV rv;

        if (!known || is_doubted(inventory, known)) {
                rv = object_read(renewal->session, listed->class, listed->handle, &read);
                /* Gone between the list and the reading. */
                if (rv == CKR_OBJECT_HANDLE_INVALID)
                        return CKR_OK;
                if (rv != CKR_OK)
                        return rv;
                if (known && is_same(inventory, known, read)) {
                        object_free(read);
                        read = NULL;
                }
        }
        if (read)
                renewal->changed = true;
        else
                known->seen = inventory->round;
        renewal->objects[renewal->n++] = read ? read : known;
        return CKR_OK;
}

static int order_listed(const void *x, const void *y)
{
        const struct listed *a = x, *b = y;

        return a->class != b->class     ? (a->class < b->class ? -1 : 1)
               : a->handle != b->handle ? (a->handle < b->handle ? -1 : 1)
                                        : 0;
}

/* A module that lists a handle twice must not make us own it twice. */
static void handle_list_unique(struct handle_list *listing)
{
        size_t n = 0;

        if (listing->n > 0)
                qsort(listing->items, listing->n, sizeof(*listing->items), order_listed);
        for (size_t i = 0; i < listing->n; i++)
                if (n == 0 || order_listed(&listing->items[n - 1], &listing->items[i]) != 0)
                        listing->items[n++] = listing->items[i];
        listing->n = n;
}

static CK_RV renew_all(struct renewal *renewal)
{
        static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_CERTIFICATE};
        struct inventory *inventory = renewal->inventory;
        struct handle_list *listing = &renewal->listing;
        CK_RV rv = CKR_OK;

        for (size_t i = 0; i < ARRAY_SIZE(classes) && rv == CKR_OK; i++)
                rv = list_class(renewal->session, classes[i], listing);
        if (rv != CKR_OK)
                return rv;
        handle_list_unique(listing);
        renewal->objects = calloc(listing->n + 1, sizeof(struct object *));
        if (!renewal->objects)
                return CKR_HOST_MEMORY;
        mark_for_check(inventory);
        for (size_t i = 0; i < listing->n && rv == CKR_OK; i++)
                rv = renew_one(renewal, &listing->items[i]);
        /* Without a login the private keys were not shown. Asked last: it covers all that was read. */
        return rv == CKR_OK ? session_check(renewal->session) : rv;
}

/* An object that went, of which this new one is the return under another handle. */
static struct object *find_gone(struct inventory *inventory, const struct object *object)
{
        const struct index *old = &inventory->index;

        for (size_t i = index_first_of_id(old, object); i < old->n && object_same_id(old->by_id[i], object);
                i++) {
                struct object *candidate = old->by_id[i];
                if (candidate->seen != inventory->round && candidate->number != 0 && !candidate->destroyed &&
                        object_same(candidate, object))
                        return candidate;
        }
        return NULL;
}

static void give_number(struct inventory *inventory, struct object *object)
{
        struct object *gone = find_gone(inventory, object);

        object->seen = inventory->round;
        if (!gone) {
                object->number = ++inventory->last_number;
                return;
        }
        object->number = gone->number;
        object->sent = gone->sent;
        object->sent_with_der = gone->sent_with_der;
        object->sent_flags = gone->sent_flags;
        object->sent_nickname = TAKE_PTR(gone->sent_nickname);
        gone->sent = false;
}

/* What is new becomes what is known. Until here a failure costs nothing; from here nothing fails. */
static void publish(struct renewal *renewal, struct index *next, const struct report *report)
{
        struct inventory *inventory = renewal->inventory;
        struct session *session = renewal->session;
        struct index old;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < next->n; i++)
                if (next->by_handle[i]->number == 0)
                        give_number(inventory, next->by_handle[i]);
        index_renumber(next);
        old = inventory->index;
        inventory->index = *next;
        pthread_mutex_unlock(&inventory->lock);
        inventory->generation++;
        for (size_t i = 0; i < old.n; i++) {
                struct object *object = old.by_handle[i];
                if (object->seen == inventory->round)
                        continue;
                if (object->copy != CK_INVALID_HANDLE)
                        (void)P11(session, C_DestroyObject, session->handle, object->copy);
                /* Where all is asked for as well: the broker that asks may have been told of it unasked. */
                if (object->sent)
                        report->drop(report->userdata, object->number);
                object_free(object);
        }
        index_done(&old);
}

static void report_object(
        const struct index *index, struct object *object, const struct report *report, bool all)
{
        unsigned flags = object->flags;
        const char *nickname = join_names(index, object, &flags);
        struct certificate certificate = {0};
        struct message_entry entry;

        if (!all && object->sent && object->sent_flags == flags &&
                object->sent_with_der == (object->der != NULL) && object->sent_nickname &&
                strcmp(object->sent_nickname, nickname) == 0)
                return;
        /* One that is none is listed all the same, with nothing in it: what bears a nickname has to be seen. */
        if (object->class == CKO_CERTIFICATE)
                (void)certificate_parse((struct der){object->der, object->der_length}, &certificate);
        entry = (struct message_entry){.number = object->number,
                .kind = object->class == CKO_CERTIFICATE ? OBJECT_CERTIFICATE : OBJECT_KEY,
                .nickname = nickname,
                .id = wire_bytes(object->id, object->id_length),
                .key_type = (uint8_t)object->key_type,
                .size = object->size,
                .usage = object->usage,
                .flags = flags,
                .der = wire_bytes(object->der, object->der_length),
                .subject = certificate.subject_text,
                .issuer = certificate.issuer_text,
                .serial = certificate.serial_text,
                .not_before_usec = certificate.not_before_usec,
                .not_after_usec = certificate.not_after_usec};
        report->entry(report->userdata, &entry);
        free(object->sent_nickname);
        object->sent_nickname = strdup(nickname); /* without it the entry is sent again, that is all */
        object->sent = true;
        object->sent_flags = flags;
        object->sent_with_der = object->der != NULL;
}

static void report_all(const struct inventory *inventory, const struct report *report, bool all)
{
        const struct index *index = &inventory->index;

        for (size_t i = 0; i < index->n; i++) {
                struct object *object = index->by_handle[i];

                if (object->listable && object->class != CKO_PUBLIC_KEY && !object->waits)
                        report_object(index, object, report, all);
        }
}

static CK_RV renew(struct renewal *renewal, const struct report *report, bool all)
{
        struct inventory *inventory = renewal->inventory;
        struct index next;
        CK_RV rv;

        inventory->round++;
        rv = renew_all(renewal);
        if (rv != CKR_OK)
                return rv;
        if (renewal->changed || inventory->waits || renewal->n != inventory->index.n) {
                if (index_init(&next, renewal->objects, renewal->n) < 0)
                        return CKR_HOST_MEMORY;
                renewal->objects = NULL;
                rv = join_halves(renewal->session, renewal->inventory, &next);
                if (rv != CKR_OK) {
                        renewal->objects = TAKE_PTR(next.by_handle);
                        index_done(&next);
                        return rv;
                }
                publish(renewal, &next, report);
                report_all(inventory, report, all);
        } else if (all) {
                report_all(inventory, report, all);
        }
        report->settled(report->userdata, inventory->generation);
        return CKR_OK;
}

CK_RV inventory_refresh(
        struct inventory *inventory, struct session *session, const struct report *report, bool all)
{
        struct renewal renewal = {.inventory = inventory, .session = session};
        CK_RV rv;

        pthread_mutex_lock(&inventory->renewal);
        rv = renew(&renewal, report, all);
        /* After a failure: what was read and is nobody's. */
        for (size_t i = 0; rv != CKR_OK && renewal.objects && i < renewal.n; i++)
                if (renewal.objects[i]->number == 0)
                        object_free(renewal.objects[i]);
        free(renewal.objects);
        free(renewal.listing.items);
        pthread_mutex_unlock(&inventory->renewal);
        return rv;
}
