/* SPDX-License-Identifier: MPL-2.0 */
/* See look-list.h. */
#include "daemon/worker/look-list.h"

#include "daemon/util/spki.h"
#include "daemon/worker/core/descriptors.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/look-try.h"
#include "daemon/worker/report.h"

/* How often the supervisor is told that the look goes on. */
#define PROGRESS_USEC (250 * USEC_PER_MSEC)

/* The handles of one class. */
struct look_handles {
        CK_OBJECT_HANDLE *items;
        size_t n, size;
};

static int add(void *userdata, const CK_OBJECT_HANDLE *handles, size_t n)
{
        struct look_handles *list = userdata;

        if (n == 0)
                return 0;
        if (list->n + n > list->size) {
                size_t size = 2 * list->size + n;
                CK_OBJECT_HANDLE *items = realloc(list->items, size * sizeof(*items));

                if (!items)
                        return -ENOMEM;
                list->items = items;
                list->size = size;
        }
        memcpy(list->items + list->n, handles, n * sizeof(*handles));
        list->n += n;
        return 0;
}

/* Whether an object of this type is listed by a worker. params: CKA_EC_PARAMS. */
static bool is_listed(CK_OBJECT_CLASS class, CK_ULONG type, struct der params)
{
        unsigned bits = spki_curve_bits(params);

        if (class == CKO_CERTIFICATE)
                return type == CKC_X_509;
        if (type == CKK_EC)
                return bits != 0 && bits != 255;
        return type == CKK_RSA || (type == CKK_EC_EDWARDS && bits == 255);
}

/* In one call. A key that is not of a curve has no CKA_EC_PARAMS: the other two were read all the same, or are read by
 * themselves. */
static int read_sight(struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
        CK_ULONG id_size = attributes[0].ulValueLen, type_size = attributes[1].ulValueLen;
        int r = P11(session, C_GetAttributeValue, session->handle, handle, attributes, n);

        if (r == 0 || n < 3)
                return r;
        attributes[2].ulValueLen = 0;
        if (attributes[0].ulValueLen <= id_size &&
                *(const CK_ULONG *)attributes[1].pValue != CK_UNAVAILABLE_INFORMATION)
                return 0;
        attributes[0].ulValueLen = id_size;
        attributes[1].ulValueLen = type_size;
        return P11(session, C_GetAttributeValue, session->handle, handle, attributes, 2);
}

/* A send that fails is ignored: without a reader the whole answer is dropped. What cannot be read is left out: nobody is
 * replaced for it. */
static int show(struct session *session, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        bool key = class == CKO_PRIVATE_KEY;
        uint8_t id[LIMIT_KEY_ID], params[64];
        CK_ULONG type = CK_UNAVAILABLE_INFORMATION;
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_ID, id, sizeof(id)),
                ATTRIBUTE(key ? CKA_KEY_TYPE : CKA_CERTIFICATE_TYPE, &type, sizeof(type)),
                ATTRIBUTE(CKA_EC_PARAMS, params, sizeof(params)),
        };
        int r = read_sight(session, handle, attributes, key ? 3 : 2);
        struct message_entry entry = {.number = handle,
                .kind = key ? OBJECT_KEY : OBJECT_CERTIFICATE,
                .nickname = "",
                .subject = "",
                .issuer = "",
                .serial = ""};

        if (session_class(session, r) == CKR_CLASS_SESSION &&
                session->failed.ckr != CKR_OBJECT_HANDLE_INVALID)
                return r;
        if (r != 0 || attributes[0].ulValueLen > sizeof(id) || attributes[2].ulValueLen > sizeof(params) ||
                !is_listed(class, type, (struct der){params, key ? attributes[2].ulValueLen : 0}))
                return 0;
        entry.id = wire_bytes(id, attributes[0].ulValueLen);
        (void)message_send_entry(REQUEST_FD, &entry, NULL, 0);
        return 0;
}

/* Reads no more than tells one object from another: there may be thousands, at some milliseconds a call. */
static int show_class(struct session *session, CK_OBJECT_CLASS class, uint64_t *told_usec)
{
        CK_ATTRIBUTE template[] = {ATTRIBUTE_ULONG(CKA_CLASS, class), ATTRIBUTE_BOOL(CKA_TOKEN, true)};
        struct look_handles list = {0};
        int r = session_find_all(session, template, ARRAY_SIZE(template), add, &list);

        for (size_t i = 0; i < list.n && r == 0; i++) {
                r = show(session, class, list.items[i]);
                if (now_usec() < *told_usec + PROGRESS_USEC)
                        continue;
                (void)message_send_up(CONTROL_FD, &(struct message_up){0}, NULL, 0);
                *told_usec = now_usec();
        }
        free(list.items);
        return r;
}

static int open_session(struct slot_token *token, void *userdata, bool last, struct failure *failure)
{
        struct session *session = userdata;
        int r;

        *session = (struct session){0};
        r = session_open(session, token);
        if (r != 0)
                return session_failure(session, r, NULL, failure);
        /* Before the login: a token that took another one's place may want another PIN. */
        report_hello(token, 0, 0);
        return login(session, failure);
}

int look_list_run(struct slot_token *token, struct failure *failure)
{
        struct session session;
        uint64_t told_usec = now_usec();
        int r = look_try(token, open_session, &session, failure);

        if (r != 0)
                return r;
        r = show_class(&session, CKO_PRIVATE_KEY, &told_usec);
        if (r == 0)
                r = show_class(&session, CKO_CERTIFICATE, &told_usec);
        /* Who is not logged in sees no private keys. */
        if (r == 0)
                r = session_check(&session);
        if (r == 0)
                (void)message_send_settled(REQUEST_FD, &(struct message_settled){0}, NULL, 0);
        return session_failure(&session, r, "the token cannot be listed", failure);
}
