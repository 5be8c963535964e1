/* SPDX-License-Identifier: MPL-2.0 */
/* What surrounds the parameters of every request, as varlink defines it. */
#pragma once

#include "proto/fields.h"

struct envelope {
        const char *method;             /* "io.tokend.Keys.Sign" */
        struct json_object *parameters; /* NULL: left out */
        bool oneway, more, upgrade;
};

#define N_ENVELOPE_FIELDS 5
/* For fields_parse(), without strict: later versions of varlink may have other members. */
extern const struct field envelope_fields[N_ENVELOPE_FIELDS];
