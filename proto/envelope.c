/* SPDX-License-Identifier: MPL-2.0 */
/* See envelope.h. */
#include "proto/envelope.h"

#include "proto/limits.h"

#define AT(member) offsetof(struct envelope, member)

const struct field envelope_fields[N_ENVELOPE_FIELDS] = {
        {"method", FIELD_STRING, true, AT(method), 0, LIMIT_WORD, 0},
        {"parameters", FIELD_OBJECT, false, AT(parameters), 0, 0, 0},
        {"oneway", FIELD_BOOL, false, AT(oneway), 0, 0, 0},
        {"more", FIELD_BOOL, false, AT(more), 0, 0, 0},
        {"upgrade", FIELD_BOOL, false, AT(upgrade), 0, 0, 0},
};
