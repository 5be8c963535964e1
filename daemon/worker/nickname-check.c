/* SPDX-License-Identifier: MPL-2.0 */
/* See nickname-check.h. */
#include "daemon/worker/nickname-check.h"

#include <string.h>

#include "daemon/worker/claims/claims.h"
#include "daemon/worker/core/attributes.h"
#include "daemon/worker/core/object.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/look-try.h"
#include "daemon/worker/ops/pair.h"

/* Objects of one nickname that are looked at one by one: with fewer than so many it is known that there are no more. */
#define KEYS_MAX (LIMIT_REPLACED + 2U)

static int open_session(struct session *session, struct slot_token *token, struct failure *failure)
{
        int r;

        *session = (struct session){0};
        r = session_open(session, token);
        return r == 0 ? login(session, failure) : session_failure(session, r, NULL, failure);
}

/* One of the two searches. */
struct nickname_search {
        const struct message_seek *seek;
        bool objects; /* for objects, and for claims after them; else for claims alone */
        bool last; /* the last try: what cannot be read for one object is lived with, because it may stay so */
        unsigned seen;
};

/* Whether the token failed at this object alone, and not in passing. */
static bool is_lived_with(const struct nickname_search *search, struct session *session, int r)
{
        return r == CALL_FAILED && search->last && session_is_well(session);
}

/* A claim that cannot be read, or that was withdrawn while we read it, counts as another's that comes before
 * ours. */
static int see_claim(struct nickname_search *search, struct session *session, CK_OBJECT_HANDLE handle)
{
        const struct message_seek *seek = search->seek;
        struct claim_object object = {0};
        int r = claims_read(session, handle, &object);

        if (r == 0 && object.unreadable && !search->last)
                return session_fail(session, object.unreadable, "C_GetAttributeValue");
        if (r != 0 && !session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                return r;
        if (r == 0 && object.readable && claim_record_is(&object.claim, seek->claimant, seek->claim))
                search->seen |= SEEN_OWN_CLAIM;
        else if (r == 0 && object.readable &&
                 !claim_record_is_lower(&object.claim, seek->claimant, seek->claim))
                search->seen |= SEEN_CLAIM;
        else
                search->seen |= SEEN_CLAIM | SEEN_LOWER_CLAIM;
        return 0;
}

static int see_claims(struct nickname_search *search, struct session *session)
{
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        int r = claims_find(session, search->seek->nickname, handles, &n);

        /* Others come before ours, if it is among those that are not read. */
        if (n == CLAIMS_MAX) {
                search->seen |= SEEN_OWN_CLAIM | SEEN_CLAIM | SEEN_LOWER_CLAIM;
                return 0;
        }
        for (size_t i = 0; i < n && r == 0; i++)
                r = see_claim(search, session, handles[i]);
        return r;
}

/* Whether the key has the id of the question, whose keys may bear the nickname. One that shows no id has none. */
static int is_of_id(
        const struct nickname_search *search, struct session *session, CK_OBJECT_HANDLE handle, bool *ret)
{
        const struct wire_bytes wanted = search->seek->id;
        uint8_t id[LIMIT_KEY_ID];
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_ID, id, sizeof(id));
        int r = attributes_read(session, handle, &attribute, 1);

        *ret = r == 0 && wanted.length > 0 &&
               der_is_same(attribute_bytes(&attribute), (struct der){wanted.data, wanted.length});
        return session_said(session, r, CKR_OBJECT_HANDLE_INVALID) || is_lived_with(search, session, r) ? 0
                                                                                                        : r;
}

/* Whether it is one of the certificates of the question, which may bear the nickname. One that cannot be read is none of them. */
static int is_known(
        const struct nickname_search *search, struct session *session, CK_OBJECT_HANDLE handle, bool *ret)
{
        _cleanup_(object_freep) struct object *object = NULL;
        int r = object_read(session, CKO_CERTIFICATE, handle, &object);

        *ret = r == 0 && object_has_mark(object, search->seek->known);
        return session_said(session, r, CKR_OBJECT_HANDLE_INVALID) ? 0 : r;
}

static int see_class(struct nickname_search *search, struct session *session, CK_OBJECT_CLASS class)
{
        const struct message_seek *seek = search->seek;
        CK_OBJECT_HANDLE handles[KEYS_MAX];
        size_t n = 0;
        int r;

        if (seek->scope == SCOPE_CERTIFICATES && class != CKO_CERTIFICATE)
                return 0;
        r = pair_search(session, class, wire_bytes(NULL, 0), seek->nickname, handles, KEYS_MAX, &n);
        for (size_t i = 0; i < n && r == 0; i++) {
                bool excepted = false;

                if (seek->scope == SCOPE_OTHERS && n < KEYS_MAX && class != CKO_CERTIFICATE)
                        r = is_of_id(search, session, handles[i], &excepted);
                if (seek->known.length > 0 && n < KEYS_MAX && class == CKO_CERTIFICATE)
                        r = is_known(search, session, handles[i], &excepted);
                if (!excepted)
                        search->seen |= SEEN_OBJECT;
        }
        return r;
}

static int see_objects(struct nickname_search *search, struct session *session)
{
        static const CK_OBJECT_CLASS classes[] = {
                CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY, CKO_CERTIFICATE};
        int r = 0;

        for (size_t c = 0; c < ARRAY_SIZE(classes) && r == 0; c++)
                r = see_class(search, session, classes[c]);
        return r;
}

static int search_once(struct slot_token *token, void *userdata, bool last, struct failure *failure)
{
        struct nickname_search *search = userdata;
        struct session session;
        int r = open_session(&session, token, failure);

        if (r != 0)
                return r;
        search->seen = 0;
        search->last = last;
        if (search->objects)
                r = see_objects(search, &session);
        /* After the objects: only who is logged in sees our own claim, and so saw the private keys before. */
        if (r == 0)
                r = see_claims(search, &session);
        if (r == 0)
                r = session_check(&session);
        if (r != 0)
                return session_failure(&session, r, NULL, failure);
        session_close(&session);
        return 0;
}

int nickname_check_run(
        struct slot_token *token, const struct message_seek *seek, unsigned *ret, struct failure *failure)
{
        struct nickname_search first = {.seek = seek}, second = {.seek = seek, .objects = true};
        int r;

        r = look_try(token, search_once, &first, failure);
        if (r == 0)
                r = look_try(token, search_once, &second, failure);
        if (r != 0)
                return r;
        *ret = (first.seen & ~(unsigned)SEEN_OWN_CLAIM) | (second.seen & SEEN_OBJECT) |
               (first.seen & second.seen & SEEN_OWN_CLAIM);
        return 0;
}
