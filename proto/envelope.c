/* SPDX-License-Identifier: MPL-2.0 */
/* See envelope.h. */
#include "proto/envelope.h"

#include "proto/limits.h"

#define AT(member) offsetof(struct envelope, member)

const struct field envelope_fields[N_ENVELOPE_FIELDS] = {
        {.name = "method", .kind = FIELD_STRING, .required = true, .offset = AT(method), .max = LIMIT_WORD},
        {.name = "parameters", .kind = FIELD_OBJECT, .offset = AT(parameters)},
        {.name = "oneway", .kind = FIELD_BOOL, .offset = AT(oneway)},
        {.name = "more", .kind = FIELD_BOOL, .offset = AT(more)},
        {.name = "upgrade", .kind = FIELD_BOOL, .offset = AT(upgrade)},
};
