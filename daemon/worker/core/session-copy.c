/* SPDX-License-Identifier: MPL-2.0 */
/* See session-copy.h. */
#include "daemon/worker/core/session-copy.h"

#include "daemon/util/log.h"
#include "daemon/worker/core/attributes.h"
#include "daemon/worker/core/protection.h"

/* A copy that was used within this time makes no room for another: with more busy keys than places, each use would make a copy. */
#define KEEP_USEC (10 * USEC_PER_SEC)

struct copy_place {
        CK_OBJECT_HANDLE key, copy; /* copy CK_INVALID_HANDLE: none is to be made before again_usec */
        uint64_t used_usec;
        uint64_t again_usec; /* when the key is looked at again */
        struct protection protection;
};

struct copy_table {
        uint64_t session; /* n_opens of the session that has the copies: with another session they are gone */
        uint64_t numbers[LIMIT_SESSION_COPIES]; /* of the keys; 0: the place is free */
        struct copy_place places[LIMIT_SESSION_COPIES];
};

static struct copy_table *table_of(struct session *session)
{
        struct copy_table *table = session->copies;

        if (!table)
                table = session->copies = calloc(1, sizeof(*table));
        if (!table || table->session == session->n_opens)
                return table;
        for (size_t i = 0; i < LIMIT_SESSION_COPIES; i++)
                if (table->places[i].copy != CK_INVALID_HANDLE) {
                        table->numbers[i] = 0;
                        table->places[i].copy = CK_INVALID_HANDLE;
                        atomic_fetch_sub(&session->token->n_copies, 1);
                }
        table->session = session->n_opens;
        return table;
}

static void drop_copy(struct session *session, struct copy_place *place)
{
        if (place->copy == CK_INVALID_HANDLE)
                return;
        session_destroy(session, place->copy);
        place->copy = CK_INVALID_HANDLE;
        atomic_fetch_sub(&session->token->n_copies, 1);
}

static void empty(struct session *session, struct copy_table *table, size_t i)
{
        drop_copy(session, &table->places[i]);
        table->numbers[i] = 0;
}

static struct copy_place *find(struct copy_table *table, const struct inventory_key *key)
{
        for (size_t i = 0; i < LIMIT_SESSION_COPIES; i++)
                if (table->numbers[i] == key->number)
                        return table->places[i].key == key->handle ? &table->places[i] : NULL;
        return NULL;
}

/* The place to use for another key: a free one, else the least recently used. */
static size_t oldest(const struct copy_table *table)
{
        size_t at = 0;

        for (size_t i = 0; i < LIMIT_SESSION_COPIES; i++) {
                if (table->numbers[i] == 0)
                        return i;
                if (table->places[i].used_usec < table->places[at].used_usec)
                        at = i;
        }
        return at;
}

/* NULL: every place is in use. */
static struct copy_place *take(
        struct session *session, struct copy_table *table, const struct inventory_key *key, uint64_t now)
{
        size_t i = 0;

        while (i < LIMIT_SESSION_COPIES && table->numbers[i] != key->number)
                i++;
        if (i == LIMIT_SESSION_COPIES)
                i = oldest(table);
        if (table->numbers[i] != 0 && table->numbers[i] != key->number &&
                now - table->places[i].used_usec < KEEP_USEC)
                return NULL;
        empty(session, table, i);
        table->numbers[i] = key->number;
        table->places[i] = (struct copy_place){.key = key->handle};
        return &table->places[i];
}

/* ---- making one ---- */

/* The device has no more room: the least recently used copy of this session goes. Whether there was one. */
static bool make_room(struct session *session, struct copy_table *table)
{
        size_t at = LIMIT_SESSION_COPIES;

        for (size_t i = 0; i < LIMIT_SESSION_COPIES; i++)
                if (table->places[i].copy != CK_INVALID_HANDLE &&
                        (at == LIMIT_SESSION_COPIES ||
                                table->places[i].used_usec < table->places[at].used_usec))
                        at = i;
        if (at == LIMIT_SESSION_COPIES)
                return false;
        empty(session, table, at);
        return true;
}

static int copy_object(struct session *session, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE *ret)
{
        CK_ATTRIBUTE template = ATTRIBUTE_BOOL(CKA_TOKEN, false);

        return P11(session, C_CopyObject, session->handle, key, &template, 1, ret);
}

/* The broker knows of it before the call: if the module does not survive it, the next worker makes none. */
static int copy_told(
        struct operation *operation, struct copy_table *table, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE *ret)
{
        struct session *session = operation->session;
        int r;

        atomic_fetch_add(&session->token->n_copying, 1);
        operation->report->sessions(operation->report->userdata);
        r = copy_object(session, key, ret);
        if (session_class(session, r) == CKR_CLASS_BUSY && make_room(session, table))
                r = copy_object(session, key, ret);
        atomic_fetch_sub(&session->token->n_copying, 1);
        return r;
}

/* What the module made is a session object, and not one that was there before. */
static bool is_session_object(struct session *session, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE copy)
{
        CK_BBOOL token = CK_TRUE;
        CK_OBJECT_CLASS class = 0;
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_TOKEN, &token, sizeof(token)), ATTRIBUTE(CKA_CLASS, &class, sizeof(class))};

        return copy != CK_INVALID_HANDLE && copy != key &&
               attributes_read(session, copy, attributes, ARRAY_SIZE(attributes)) == 0 &&
               attributes[0].ulValueLen == sizeof(token) && token == CK_FALSE &&
               attributes[1].ulValueLen == sizeof(class) && class == CKO_PRIVATE_KEY;
}

/* A token object in spite of its template: it is removed, unless the handle is that of an object which was there before. */
static void undo(struct session *session, struct inventory *inventory, CK_OBJECT_HANDLE copy)
{
        if (copy == CK_INVALID_HANDLE || inventory_has_handle(inventory, CKO_PRIVATE_KEY, copy))
                return;
        log_warning("token %s: it made a copy of a key a token object: the copy is removed, and keys are not "
                    "copied",
                session->token->config->name);
        session_destroy(session, copy);
}

#define NOT_NOW 1
#define NEVER   2

/* Sets place->copy. NOT_NOW, NEVER: the key is used itself. */
static int make(struct operation *operation, struct copy_table *table, struct copy_place *place)
{
        struct session *session = operation->session;
        struct protection protection;
        CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
        int r;

        if (!protection_read(session, place->key, PROTECTION_ALL, &place->protection))
                return NOT_NOW;
        r = copy_told(operation, table, place->key, &copy);
        if (r != 0)
                return session_class(session, r) == CKR_CLASS_REQUEST ? NEVER : NOT_NOW;
        if (!is_session_object(session, place->key, copy)) {
                undo(session, operation->inventory, copy);
                return NEVER;
        }
        if (!protection_read(session, copy, place->protection.present, &protection) ||
                !protection_same(&protection, &place->protection)) {
                session_destroy(session, copy);
                return NEVER;
        }
        place->copy = copy;
        atomic_fetch_add(&session->token->n_copies, 1);
        return 0;
}

/* The key is still there and protected as it was when the copy was made. */
static bool is_true(struct session *session, const struct copy_place *place)
{
        struct protection now;

        return protection_read(session, place->key, place->protection.present, &now) &&
               protection_same(&now, &place->protection);
}

/* ---- using one ---- */

static bool wants_copy(const struct session *session, const struct inventory_key *key, bool tries)
{
        if (atomic_load_explicit(&session->token->no_copies, memory_order_relaxed))
                return false;
        switch (session->token->config->session_copies) {
        case SESSION_COPIES_YES:
                return key->trial != COPY_NO_COPY;
        case SESSION_COPIES_AUTO:
                return tries || key->trial == COPY_FASTER;
        default:
                return false;
        }
}

/* The place has no copy, or one that is old. */
static void renew(struct operation *operation, struct copy_table *table, struct copy_place *place,
        const struct inventory_key *key)
{
        struct session *session = operation->session;

        place->again_usec = place->used_usec + session->token->config->refresh_usec;
        if (place->copy == CK_INVALID_HANDLE) {
                if (make(operation, table, place) == NEVER)
                        inventory_end_trial(operation->inventory, key, COPY_NO_COPY);
        } else if (!is_true(session, place)) {
                drop_copy(session, place);
        }
}

CK_OBJECT_HANDLE session_copy_object(struct operation *operation, const struct inventory_key *key, bool tries)
{
        struct session *session = operation->session;
        struct copy_table *table = wants_copy(session, key, tries) ? table_of(session) : NULL;
        uint64_t now = now_usec();
        struct copy_place *place;

        if (!table)
                return key->handle;
        place = find(table, key);
        if (!place)
                place = take(session, table, key, now);
        if (!place)
                return key->handle;
        place->used_usec = now;
        if (now >= place->again_usec)
                renew(operation, table, place, key);
        return place->copy != CK_INVALID_HANDLE ? place->copy : key->handle;
}

void session_copy_refuse(struct session *session, const struct inventory_key *key)
{
        struct copy_table *table = session->copies;
        struct copy_place *place = table ? find(table, key) : NULL;

        if (!place)
                return;
        drop_copy(session, place);
        place->again_usec = now_usec() + session->token->config->refresh_usec;
}

void session_copy_tidy(struct session *session, struct inventory *inventory)
{
        struct copy_table *table = session->copies ? table_of(session) : NULL;

        for (size_t i = 0; table && i < LIMIT_SESSION_COPIES; i++) {
                struct inventory_key key = {.number = table->numbers[i], .handle = table->places[i].key};

                if (key.number != 0 && !inventory_has_still(inventory, &key))
                        empty(session, table, i);
        }
}

void session_copy_clear(struct session *session)
{
        struct copy_table *table = session->copies ? table_of(session) : NULL;

        for (size_t i = 0; table && i < LIMIT_SESSION_COPIES; i++)
                empty(session, table, i);
}
