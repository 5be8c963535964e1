/* SPDX-License-Identifier: MPL-2.0 */
/* See opened.h. */
#include "daemon/worker/secrets/opened.h"

#include <string.h>

#include "daemon/util/wipe.h"

struct opened_place {
        uint8_t *sealed; /* NULL: the place is free */
        size_t length;
        struct opened_key key;
        uint64_t used; /* the turn of the table when it was used last */
};

struct opened_table {
        uint64_t
                session; /* n_opens of the session that has the objects: with another session they are gone */
        uint64_t turn;
        struct opened_place places[LIMIT_OPENED];
};

static struct opened_table *table_of(struct session *session)
{
        struct opened_table *table = session->opened;

        if (!table)
                table = session->opened = calloc(1, sizeof(*table));
        if (table && table->session != session->n_opens) {
                for (size_t i = 0; i < LIMIT_OPENED; i++) {
                        wipe_free(table->places[i].sealed, table->places[i].length);
                        table->places[i] = (struct opened_place){0};
                }
                table->session = session->n_opens;
        }
        return table;
}

static void place_clear(struct session *session, struct opened_place *place)
{
        if (place->sealed)
                session_destroy(session, place->key.handle);
        wipe_free(place->sealed, place->length);
        *place = (struct opened_place){0};
}

bool opened_find(struct session *session, struct wire_bytes sealed, struct opened_key *ret)
{
        struct opened_table *table = table_of(session);

        for (size_t i = 0; table && i < LIMIT_OPENED; i++) {
                struct opened_place *place = &table->places[i];

                if (!place->sealed || place->length != sealed.length ||
                        memcmp(place->sealed, sealed.data, sealed.length) != 0)
                        continue;
                place->used = ++table->turn;
                *ret = place->key;
                return true;
        }
        return false;
}

int opened_put(struct session *session, struct wire_bytes sealed, const struct opened_key *key)
{
        struct opened_table *table = table_of(session);
        struct opened_place *oldest = table ? &table->places[0] : NULL;
        uint8_t *copy = table ? malloc(sealed.length) : NULL;

        if (!copy) {
                session_destroy(session, key->handle);
                return -ENOMEM;
        }
        for (size_t i = 1; i < LIMIT_OPENED && oldest->sealed; i++)
                if (!table->places[i].sealed || table->places[i].used < oldest->used)
                        oldest = &table->places[i];
        place_clear(session, oldest);
        memcpy(copy, sealed.data, sealed.length);
        *oldest = (struct opened_place){copy, sealed.length, *key, ++table->turn};
        return 0;
}

void opened_clear(struct session *session)
{
        struct opened_table *table = session->opened ? table_of(session) : NULL;

        for (size_t i = 0; table && i < LIMIT_OPENED; i++)
                place_clear(session, &table->places[i]);
}
