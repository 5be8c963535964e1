/* SPDX-License-Identifier: MPL-2.0 */
/* See own-kind.h. */
#include "daemon/audit/own-kind.h"

#include <string.h>

#define OWN_KIND_NAME(constant, name) [constant] = (name),
static const char *const names[OWN_KIND_MAX_] = {OWN_KINDS(OWN_KIND_NAME)};

const char *own_kind_name(enum own_kind kind)
{
        return names[kind];
}

bool own_kind_is(const char *name)
{
        for (unsigned i = 0; i < OWN_KIND_MAX_; i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}
