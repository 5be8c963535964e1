/* SPDX-License-Identifier: MPL-2.0 */
/* See event.h. */
#include "daemon/util/event.h"

#include <stddef.h>

#include "daemon/util/macros.h"

#define EVENT_NAME(constant, name, id) [constant] = name,
#define EVENT_ID(constant, name, id)   [constant] = id,

const char *event_name(unsigned kind)
{
        static const char *const names[] = {EVENTS(EVENT_NAME)};

        return kind < ARRAY_SIZE(names) ? names[kind] : NULL;
}

const char *event_message_id(unsigned kind)
{
        static const char *const ids[] = {EVENTS(EVENT_ID)};

        return kind < ARRAY_SIZE(ids) ? ids[kind] : NULL;
}
