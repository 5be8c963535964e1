/* SPDX-License-Identifier: MPL-2.0 */
/* See entries.h. */
#include "daemon/worker/core/entries.h"

#include <string.h>

#include "daemon/worker/core/join.h"
#include "daemon/worker/encoding/certificate.h"

/* Public keys belong to private ones; what tokend made for itself is nobody's. */
static bool is_reported(const struct object *object)
{
        return object->listable && !object->waits && object->class != CKO_PUBLIC_KEY &&
               !object_is_reserved(object);
}

static bool was_sent(const struct object *object, const struct joined *joined)
{
        size_t length = strlen(joined->nickname) + 1;

        return object->sent && object->sent_flags == joined->flags &&
               object->sent_with_der == (object->der != NULL) && object->sent_names &&
               object->sent_names_length == length + joined->others_length &&
               strcmp(object->sent_names, joined->nickname) == 0 &&
               memcmp(object->sent_names + length, joined->others, joined->others_length) == 0;
}

/* If there is no memory for the names the entry is sent again, nothing more. */
static void keep_sent(struct object *object, const struct joined *joined)
{
        size_t length = strlen(joined->nickname) + 1;

        free(object->sent_names);
        object->sent_names_length = length + joined->others_length;
        object->sent_names = malloc(object->sent_names_length);
        if (object->sent_names) {
                memcpy(object->sent_names, joined->nickname, length);
                memcpy(object->sent_names + length, joined->others, joined->others_length);
        }
        object->sent = true;
        object->sent_flags = joined->flags;
        object->sent_with_der = object->der != NULL;
}

static void report_object(
        const struct index *index, struct object *object, const struct report *report, bool all)
{
        static const uint8_t kinds[] = {[CKO_CERTIFICATE] = OBJECT_CERTIFICATE,
                [CKO_PRIVATE_KEY] = OBJECT_KEY,
                [CKO_SECRET_KEY] = OBJECT_SECRET};
        struct certificate certificate = {0};
        struct message_entry entry;
        struct joined joined;

        join_names(index, object, &joined);
        if (!all && was_sent(object, &joined))
                return;
        /* One that cannot be parsed is listed without its fields. */
        if (object->class == CKO_CERTIFICATE)
                (void)certificate_parse((struct der){object->der, object->der_length}, &certificate);
        entry = (struct message_entry){.number = object->number,
                .kind = kinds[object->class],
                .nickname = joined.nickname,
                .other_names = wire_bytes(joined.others, joined.others_length),
                .id = wire_bytes(object->id, object->id_length),
                .key_type = (uint8_t)object->key_type,
                .size = object->size,
                .usage = object->usage,
                .flags = joined.flags,
                .der = wire_bytes(object->der, object->der_length),
                .subject = certificate.subject_text,
                .issuer = certificate.issuer_text,
                .serial = certificate.serial_text,
                .not_before_usec = certificate.not_before_usec,
                .not_after_usec = certificate.not_after_usec};
        report->entry(report->userdata, &entry);
        keep_sent(object, &joined);
}

void entries_report(const struct inventory *inventory, const struct report *report, bool all)
{
        const struct index *index = &inventory->index;

        for (size_t i = 0; report && i < index->n; i++) {
                struct object *object = index->by_handle[i];

                if (is_reported(object))
                        report_object(index, object, report, all);
        }
}
