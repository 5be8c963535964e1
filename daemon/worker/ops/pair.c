/* SPDX-License-Identifier: MPL-2.0 */
/* See pair.h. */
#include "daemon/worker/ops/pair.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/device/attribute.h"

/* Keys of one CKA_ID that are removed. */
#define REMOVE_MAX 16U

/* ---- ids ---- */

int pair_id(struct session *session, CK_OBJECT_HANDLE public, uint8_t ret[static KEY_ID_LENGTH])
{
        _cleanup_(object_freep) struct object *object = NULL;
        int r = object_read(session, CKO_PUBLIC_KEY, public, &object);

        if (r == 0)
                r = key_id((struct der){object->der, object->der_length}, ret);
        /* The token does not show the whole key. */
        if (r == -EINVAL)
                return session_fail(session, CKR_ATTRIBUTE_VALUE_INVALID, "C_GetAttributeValue");
        return r;
}

static int set_id(struct session *session, CK_OBJECT_HANDLE object, struct wire_bytes id)
{
        CK_ATTRIBUTE attribute = ATTRIBUTE_BYTES(CKA_ID, id);
        int r = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);

        if (session_class(session, r) == CKR_CLASS_VAGUE) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                r = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);
        }
        return r;
}

bool pair_set_id(struct session *session, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
        struct wire_bytes id, struct wire_bytes was)
{
        if (set_id(session, private, id) != 0)
                return false;
        if (set_id(session, public, id) == 0)
                return true;
        if (set_id(session, private, was) != 0)
                log_warning(
                        "token %s: the two halves of a new pair have different ids, and the token accepts no "
                        "change of either",
                        session->token->config->name);
        return false;
}

/* ---- searching and removing ---- */

int pair_search(struct session *session, CK_OBJECT_CLASS class, struct wire_bytes id, const char *label,
        CK_OBJECT_HANDLE *handles, size_t n, size_t *ret)
{
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, class),
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                ATTRIBUTE_BYTES(CKA_ID, id),
        };

        if (id.length == 0)
                template[2] = (CK_ATTRIBUTE)ATTRIBUTE_TEXT(CKA_LABEL, label);
        return session_find(session, template, ARRAY_SIZE(template), handles, n, ret);
}

static bool has_label(const struct object *object, const char *nickname)
{
        return object->label_length == strlen(nickname) &&
               memcmp(object->label, nickname, object->label_length) == 0;
}

/* A key that cannot be read is removed only if its label could be. */
static int remove_one(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle,
        const char *nickname, bool shared)
{
        _cleanup_(object_freep) struct object *object = NULL;
        struct session *session = operation->session;
        int r = object_read(session, class, handle, &object);

        if (r == 0 && object->unreadable && !has_label(object, nickname))
                return session_fail(session, object->unreadable, "C_GetAttributeValue");
        if (r == 0 && (object->label_length > 0 || shared) && !has_label(object, nickname))
                return 0;
        if (r == 0)
                r = operation_destroy(operation, class, handle);
        return session_said(session, r, CKR_OBJECT_HANDLE_INVALID) ? 0 : r;
}

static int remove_pair(struct operation *operation, struct wire_bytes id, const char *nickname, bool shared)
{
        static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
        CK_OBJECT_HANDLE handles[REMOVE_MAX];

        for (size_t c = 0; c < ARRAY_SIZE(classes); c++) {
                size_t n = 0;
                int r = pair_search(operation->session, classes[c], id, NULL, handles, REMOVE_MAX, &n);

                for (size_t i = 0; i < n && r == 0; i++)
                        r = remove_one(operation, classes[c], handles[i], nickname, shared);
                if (r != 0)
                        return r;
        }
        return 0;
}

int pair_remove(struct operation *operation, struct wire_bytes id, const char *nickname, bool shared)
{
        unsigned tries = 0;
        int r;

        do
                r = remove_pair(operation, id, nickname, shared);
        while (operation_tries_again(operation, r, ++tries));
        return r;
}

/* ---- a generate that did not end ---- */

enum whose {
        NOT_OURS,
        OURS,
        WHOSE_UNKNOWN, /* ours, if our generate had come that far; it may as well be another host's */
};

static bool is_id(const struct object *object, struct wire_bytes id)
{
        return object->id_length == id.length && memcmp(object->id, id.data, id.length) == 0;
}

/* Nobody else uses first, the id that a generate begins with. last is the id that it gives the pair at its
 * end. The pair is ours if one half has the first id and the other one of the two. Two last ids say
 * nothing. */
static enum whose whose_pair(const struct object *private, const struct object *public,
        struct wire_bytes first, struct wire_bytes last)
{
        bool both_known = (is_id(private, first) || is_id(private, last)) &&
                          (is_id(public, first) || is_id(public, last));

        if (!both_known)
                return NOT_OURS;
        return is_id(private, first) || is_id(public, first) ? OURS : WHOSE_UNKNOWN;
}

/* A private and a public key under the nickname. If they are ours both get the same id, which is *ret_id. */
static int mend(struct operation *operation, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
        struct wire_bytes first, uint8_t last[static KEY_ID_LENGTH], enum whose *ret,
        struct wire_bytes *ret_id)
{
        _cleanup_(object_freep) struct object *private_object = NULL, *public_object = NULL;
        struct session *session = operation->session;
        struct wire_bytes id = wire_bytes(last, KEY_ID_LENGTH);
        enum whose whose;
        int r = object_read(session, CKO_PRIVATE_KEY, private, &private_object);

        if (r == 0)
                r = object_read(session, CKO_PUBLIC_KEY, public, &public_object);
        if (r == 0 && (private_object->unreadable || public_object->unreadable)) {
                *ret = WHOSE_UNKNOWN;
                return 0;
        }
        if (r == 0)
                r = pair_id(session, public, last);
        if (r != 0)
                return r;
        whose = whose_pair(private_object, public_object, first, id);
        if (is_id(private_object, first) && is_id(public_object, first)) {
                id = first;
        } else if (whose == OURS) {
                if (!pair_set_id(session, private, public, id, first))
                        return session_fail(session, CKR_ATTRIBUTE_READ_ONLY, "C_SetAttributeValue");
                inventory_doubt(operation->inventory, CKO_PRIVATE_KEY, private);
                inventory_doubt(operation->inventory, CKO_PUBLIC_KEY, public);
        }
        *ret = whose;
        *ret_id = id;
        return 0;
}

static int refresh(struct operation *operation)
{
        return inventory_refresh(operation->inventory, operation->session, operation->report, false);
}

/* The number of a complete pair in the inventory; 0: there is none. */
static uint64_t complete_pair(
        struct operation *operation, struct wire_bytes id, const char *nickname, bool shared)
{
        CK_OBJECT_HANDLE handles[2];
        uint64_t number = inventory_find(operation->inventory, id, nickname);

        /* A key that was not generated here may have its nickname from its certificate. */
        if (number == 0 && !shared)
                number = inventory_find(operation->inventory, id, "");
        return number != 0 && inventory_pair(operation->inventory, number, handles, 2) == 2 ? number : 0;
}

static int settle_by_nickname(
        struct operation *operation, const char *nickname, struct wire_bytes first, struct settled *settled)
{
        struct session *session = operation->session;
        struct wire_bytes none = wire_bytes(NULL, 0), id = none;
        CK_OBJECT_HANDLE private[2], public[2];
        size_t n_private = 0, n_public = 0;
        uint8_t last[KEY_ID_LENGTH];
        enum whose whose = NOT_OURS;
        int r;

        r = pair_search(session, CKO_PRIVATE_KEY, none, nickname, private, 2, &n_private);
        if (r == 0)
                r = pair_search(session, CKO_PUBLIC_KEY, none, nickname, public, 2, &n_public);
        if (r != 0 || n_private != 1 || n_public != 1)
                return r;
        r = mend(operation, private[0], public[0], first, last, &whose, &id);
        if (r == 0 && whose == OURS)
                r = refresh(operation);
        if (r != 0)
                return r;
        if (whose == OURS)
                settled->number = complete_pair(operation, id, nickname, false);
        settled->unknown = whose == WHOSE_UNKNOWN;
        return 0;
}

int pair_settle(struct operation *operation, const char *nickname, struct wire_bytes id, bool shared,
        struct settled *ret)
{
        struct settled settled = {0};
        int r = refresh(operation);

        if (r != 0)
                return r;
        settled.number = complete_pair(operation, id, nickname, shared);
        if (settled.number == 0 && !shared)
                r = settle_by_nickname(operation, nickname, id, &settled);
        if (r == 0 && settled.number == 0 && !settled.unknown) {
                r = pair_remove(operation, id, nickname, shared);
                if (r == 0)
                        r = refresh(operation);
        }
        if (r == 0)
                *ret = settled;
        return r;
}

/* ---- the nickname of a pair that is there ---- */

static int set_label(
        struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE object, const char *label)
{
        struct session *session = operation->session;
        CK_ATTRIBUTE attribute = ATTRIBUTE_TEXT(CKA_LABEL, label);
        int r = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);

        /* As of ids: SoftHSM says so while another process writes. */
        if (session_class(session, r) == CKR_CLASS_VAGUE || session_class(session, r) == CKR_CLASS_BUSY) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                r = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);
        }
        inventory_doubt(operation->inventory, class, object);
        return r;
}

int pair_label(struct operation *operation, uint64_t number, const char *label)
{
        CK_OBJECT_HANDLE handles[REMOVE_MAX];
        size_t n = inventory_pair(operation->inventory, number, handles, ARRAY_SIZE(handles));
        struct session *session = operation->session;
        int r;

        if (n == 0)
                return session_fail(session, CKR_OBJECT_HANDLE_INVALID, "C_SetAttributeValue");
        r = set_label(operation, CKO_PRIVATE_KEY, handles[0], label);
        for (size_t i = 1; r == 0 && i < n; i++)
                if (set_label(operation, CKO_PUBLIC_KEY, handles[i], label) != 0)
                        log_notice("token %s: the public half of the key that is called %s now keeps its old "
                                   "label",
                                session->token->config->name, label);
        return r;
}

int pair_settle_label(struct operation *operation, const char *label, struct wire_bytes id)
{
        uint64_t number;
        int r = refresh(operation);

        if (r != 0)
                return r;
        number = inventory_find(operation->inventory, id, label);
        if (number == 0)
                return 0;
        r = pair_label(operation, number, label);
        return r == 0 ? refresh(operation) : r;
}
