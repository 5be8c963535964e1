/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The renewal of the inventory (inventory.h): list, read what is new, join, publish; entries.c reports. What it makes
 * belongs to it until it publishes, so that a failure leaves the inventory as it was.
 */
#include <string.h>
#include <unistd.h>

#include "daemon/worker/core/entries.h"
#include "daemon/worker/core/handle-list.h"
#include "daemon/worker/core/join.h"

/* Known objects that one renewal reads again. */
#define CHECK_AT_ONCE 16U

/* An object that cannot be read is read again after this time. SoftHSM gives errors in passing while another process writes. */
#define UNREADABLE_WAIT_USEC 50000U

struct renewal {
        struct inventory *inventory;
        struct session *session;
        struct handle_list handles;
        struct object **objects; /* what there is now: known objects, and new ones with number 0 */
        size_t n;
        bool changed;
        bool waited; /* for objects that could not be read, and took another session */
        size_t n_unreadable;
        struct handle_list strikes; /* new objects that could not be read for the first time */
        CK_RV strike;               /* what the token said of the last of them */
};

/* ---- reading ---- */

static void mark_for_check(struct inventory *inventory)
{
        const struct index *index = &inventory->index;

        for (size_t i = 0; i < MIN_OF(index->n, CHECK_AT_ONCE); i++)
                index->by_handle[(inventory->check_at + i) % index->n]->check = inventory->round;
        inventory->check_at = index->n > 0 ? (inventory->check_at + CHECK_AT_ONCE) % index->n : 0;
}

static void set_doubted(struct inventory *inventory, struct object *known)
{
        pthread_mutex_lock(&inventory->lock);
        known->doubted = true;
        pthread_mutex_unlock(&inventory->lock);
}

/* Whether a known object is to be read again. The doubt is taken away before the reading: what another thread
 * changes during it is read with the next renewal. */
static bool take_doubt(struct inventory *inventory, struct object *known)
{
        bool doubted;

        pthread_mutex_lock(&inventory->lock);
        doubted = known->doubted || known->check == inventory->round;
        known->doubted = false;
        pthread_mutex_unlock(&inventory->lock);
        return doubted;
}

static bool is_destroyed(struct inventory *inventory, const struct object *known)
{
        bool destroyed;

        pthread_mutex_lock(&inventory->lock);
        destroyed = known->destroyed;
        pthread_mutex_unlock(&inventory->lock);
        return destroyed;
}

/* The token does not give the attributes of the object. Another time it may; how many are read again each time is bounded. */
static void doubt_unreadable(struct renewal *renewal, struct object *known, struct object *read)
{
        read->said = true;
        read->doubted = renewal->n_unreadable++ < CHECK_AT_ONCE;
        if (!known || !known->said)
                object_say_unreadable(renewal->session, read, known && !known->unreadable);
        if (!known)
                return;
        known->said = true;
        if (read->doubted)
                set_doubted(renewal->inventory, known);
}

/* Whether it could not be read in the last renewal either. Else it is noted. */
static int strike(struct renewal *renewal, const struct listed *listed, CK_RV ckr, bool *ret_again)
{
        *ret_again = handle_list_has(&renewal->inventory->strikes, listed);
        if (*ret_again)
                return 0;
        renewal->strike = ckr;
        return handle_list_put(&renewal->strikes, listed);
}

/* Reads it; if the token fails at it, once more in another session. */
static int read_twice(struct renewal *renewal, const struct listed *listed, struct object **ret)
{
        struct session *session = renewal->session;
        struct object *object = NULL;
        int r = object_read(session, listed->class, listed->handle, &object);

        if (r != 0 || !object->unreadable) {
                *ret = object;
                return r;
        }
        object_free(object);
        if (!renewal->waited) {
                usleep(UNREADABLE_WAIT_USEC);
                session_exchange(session);
                renewal->waited = true;
        }
        return object_read(session, listed->class, listed->handle, ret);
}

/* Positive, and no CALL_FAILED: the object could not be read for the first time. */
#define NOT_YET 2

/* What the token says of one handle now. *ret NULL: it is the object that we know. If we destroyed that, its handle has become
 * another object's. */
static int read_one(
        struct renewal *renewal, const struct listed *listed, struct object *known, struct object **ret)
{
        _cleanup_(object_freep) struct object *read = NULL;
        bool counts = true;
        int r;

        if (known && is_destroyed(renewal->inventory, known))
                known = NULL;
        if (known && known->unreadable)
                r = object_read(renewal->session, listed->class, listed->handle, &read);
        else
                r = read_twice(renewal, listed, &read);
        if (r == 0 && read->unreadable && !known)
                r = strike(renewal, listed, read->unreadable, &counts);
        if (r != 0 || !counts) {
                if (known)
                        set_doubted(renewal->inventory, known);
                return r != 0 ? r : NOT_YET;
        }
        if (read->unreadable)
                doubt_unreadable(renewal, known, read);
        else if (known)
                known->said = false;
        if (known && (read->unreadable || object_same(known, read)))
                return 0;
        *ret = TAKE_PTR(read);
        return 0;
}

/* One handle of the list: its object is the one that we know, or what the token says of it. */
static int renew_one(struct renewal *renewal, const struct listed *listed)
{
        struct inventory *inventory = renewal->inventory;
        struct object *known = index_by_handle(&inventory->index, listed->class, listed->handle);
        struct object *read = NULL;
        int r = 0;

        if (!known || take_doubt(inventory, known))
                r = read_one(renewal, listed, known, &read);
        /* It was destroyed between the listing and the reading. */
        if (session_said(renewal->session, r, CKR_OBJECT_HANDLE_INVALID) || r == NOT_YET)
                return 0;
        if (r != 0)
                return r;
        if (read)
                renewal->changed = true;
        else
                known->seen = inventory->round;
        renewal->objects[renewal->n++] = read ? read : known;
        return 0;
}

/* What cannot be read for the first time makes the renewal fail, so that it is read once more by the next one, soon. */
static int check_strikes(struct renewal *renewal)
{
        handle_list_done(&renewal->inventory->strikes);
        renewal->inventory->strikes = renewal->strikes;
        if (renewal->strikes.n == 0)
                return 0;
        (void)session_fail(renewal->session, renewal->strike, "C_GetAttributeValue");
        renewal->session->failed.class = CKR_CLASS_VAGUE;
        return CALL_FAILED;
}

/* A first listing of which nothing can be read is no answer: the device is at fault, or the login. Later the objects that were
 * read before stay. */
static int check_readable(struct renewal *renewal)
{
        size_t n = 0;

        while (n < renewal->n && renewal->objects[n]->unreadable)
                n++;
        if (renewal->inventory->generation > 0 || renewal->n < 2 || n < renewal->n)
                return 0;
        return session_fail(renewal->session, renewal->objects[0]->unreadable, "C_GetAttributeValue");
}

static int renew_all(struct renewal *renewal)
{
        static const CK_OBJECT_CLASS classes[] = {
                CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY, CKO_CERTIFICATE};
        struct inventory *inventory = renewal->inventory;
        struct handle_list *handles = &renewal->handles;
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(classes) && r == 0; i++)
                r = handle_list_add(handles, renewal->session, classes[i]);
        if (r != 0)
                return r;
        handle_list_sort(handles);
        renewal->objects = calloc(handles->n + 1, sizeof(struct object *));
        if (!renewal->objects)
                return -ENOMEM;
        mark_for_check(inventory);
        for (size_t i = 0; i < handles->n && r == 0; i++)
                r = renew_one(renewal, &handles->items[i]);
        if (r != 0) {
                handle_list_done(&renewal->strikes);
                return r;
        }
        r = check_strikes(renewal);
        if (r == 0)
                r = check_readable(renewal);
        /* Without a login the token does not show private keys. This is asked last, so that it covers all
         * that was read. */
        return r == 0 ? session_check(renewal->session) : r;
}

/* An object that is gone, if this new one is the same under another handle. */
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
        object->trial = gone->trial;
        object->sent = gone->sent;
        object->sent_with_der = gone->sent_with_der;
        object->sent_flags = gone->sent_flags;
        object->sent_names = TAKE_PTR(gone->sent_names);
        object->sent_names_length = gone->sent_names_length;
        gone->sent = false;
        gone->number = 0; /* another that is the same gets a number of its own */
}

/* The new index becomes the inventory's. Nothing fails from here on. */
static void publish(struct renewal *renewal, struct index *next, const struct report *report)
{
        struct inventory *inventory = renewal->inventory;
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
                /* Also if all is asked for: the broker that asks may have been told of it before. */
                if (report && object->sent)
                        report->drop(report->userdata, object->number);
                object_free(object);
        }
        index_done(&old);
}

static int renew(struct renewal *renewal, const struct report *report, bool all)
{
        struct inventory *inventory = renewal->inventory;
        struct index next;
        int r;

        inventory->round++;
        r = renew_all(renewal);
        if (r != 0)
                return r;
        if (renewal->changed || inventory->waits || renewal->n != inventory->index.n) {
                if (index_init(&next, renewal->objects, renewal->n) < 0)
                        return -ENOMEM;
                renewal->objects = NULL;
                r = join_halves(renewal->session, renewal->inventory, &next);
                if (r != 0) {
                        renewal->objects = TAKE_PTR(next.by_handle);
                        index_done(&next);
                        return r;
                }
                publish(renewal, &next, report);
                entries_report(inventory, report, all);
        } else if (all) {
                entries_report(inventory, report, all);
        }
        if (report)
                report->settled(report->userdata, inventory->generation);
        return 0;
}

int inventory_refresh(
        struct inventory *inventory, struct session *session, const struct report *report, bool all)
{
        struct renewal renewal = {.inventory = inventory, .session = session};
        int r;

        pthread_mutex_lock(&inventory->renewal);
        r = renew(&renewal, report, all);
        /* After a failure nobody else owns what was read. */
        for (size_t i = 0; r != 0 && renewal.objects && i < renewal.n; i++)
                if (renewal.objects[i]->number == 0)
                        object_free(renewal.objects[i]);
        free(renewal.objects);
        handle_list_done(&renewal.handles);
        pthread_mutex_unlock(&inventory->renewal);
        return r;
}
