/* SPDX-License-Identifier: MPL-2.0 */
/* See database.h. The functions are declared here, as sqlite3.h has them: their ABI has been the same for twenty years. */
#include "daemon/backup/database.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY        "libsqlite3.so.0"
#define SQLITE_OK      0
#define OPEN_READWRITE 0x2
/* NSS tries again for longer than this: whoever waits for the other comes through. */
#define BUSY_MS 10000

struct sqlite3;
/* Every function that is used: F(its type, name, parameters). */
#define FUNCTIONS(F)                                                                                         \
        F(int, open_v2, (const char *, struct sqlite3 **, int, const char *))                                \
        F(int, close_v2, (struct sqlite3 *))                                                                 \
        F(const char *, errmsg, (struct sqlite3 *))                                                          \
        F(int, busy_timeout, (struct sqlite3 *, int))                                                        \
        F(int, exec,                                                                                         \
                (struct sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **))   \
        F(unsigned char *, serialize, (struct sqlite3 *, const char *, int64_t *, unsigned))                 \
        F(int, deserialize, (struct sqlite3 *, const char *, unsigned char *, int64_t, int64_t, unsigned))   \
        F(void, free, (void *))

struct sqlite {
        void *library;
#define FUNCTION_MEMBER(type, name, parameters) type(*name) parameters;
        FUNCTIONS(FUNCTION_MEMBER)
};

static int sqlite_load(struct sqlite *ret, char *reason, size_t size)
{
        struct sqlite sqlite = {.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};
        void *symbol;

        if (!sqlite.library) {
                snprintf(reason, size, "%s", dlerror());
                return -EIO;
        }
#define FUNCTION_LOAD(type, name, parameters)                                                                \
        symbol = dlsym(sqlite.library, "sqlite3_" #name);                                                    \
        memcpy(&sqlite.name, &symbol, sizeof(symbol));                                                       \
        if (!symbol) {                                                                                       \
                snprintf(reason, size, LIBRARY " has no sqlite3_" #name);                                    \
                dlclose(sqlite.library);                                                                     \
                return -EIO;                                                                                 \
        }
        FUNCTIONS(FUNCTION_LOAD)
        *ret = sqlite;
        return 0;
}

static int fail(const struct sqlite *sqlite, struct sqlite3 *db, const char *path, char *reason, size_t size)
{
        snprintf(reason, size, "%s: %s", path, db ? sqlite->errmsg(db) : "no memory");
        return -EIO;
}

/* ---- copying ---- */

/* Begins a transaction that keeps others from writing: it reads. */
static int hold(
        const struct sqlite *sqlite, const char *path, struct sqlite3 **ret, char *reason, size_t size)
{
        /* To be written where that is allowed: a journal that a crash left is worked off then. */
        int r = sqlite->open_v2(path, ret, OPEN_READWRITE, NULL);

        if (r == SQLITE_OK)
                r = sqlite->busy_timeout(*ret, BUSY_MS);
        if (r == SQLITE_OK)
                r = sqlite->exec(*ret, "PRAGMA trusted_schema=OFF; BEGIN; SELECT count(*) FROM sqlite_master",
                        NULL, NULL, NULL);
        return r == SQLITE_OK ? 0 : fail(sqlite, *ret, path, reason, size);
}

static int take_copy(const struct sqlite *sqlite, struct sqlite3 *db, struct database_copy *copy, size_t max,
        char *reason, size_t size)
{
        int64_t length = 0;
        unsigned char *bytes = sqlite->serialize(db, "main", &length, 0);
        int r = 0;

        if (!bytes || length <= 0)
                r = fail(sqlite, db, copy->path, reason, size);
        else if ((uint64_t)length > max)
                r = -EFBIG;
        else if (!(copy->data = malloc((size_t)length)))
                r = -ENOMEM;
        if (r == 0) {
                memcpy(copy->data, bytes, (size_t)length);
                copy->length = (size_t)length;
                /* The copy has what a write-ahead log had: it needs none. */
                if (length > 19 && copy->data[18] == 2)
                        copy->data[18] = copy->data[19] = 1;
        }
        sqlite->free(bytes);
        return r;
}

static int copy_all(const struct sqlite *sqlite, struct sqlite3 **dbs, struct database_copy *copies, size_t n,
        size_t max, char *reason, size_t size)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = hold(sqlite, copies[i].path, &dbs[i], reason, size);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = take_copy(sqlite, dbs[i], &copies[i], max, reason, size);
        return r;
}

int database_copy(struct database_copy *copies, size_t n, size_t max, char *reason, size_t size)
{
        _cleanup_(freep) struct sqlite3 **dbs = calloc(n, sizeof(struct sqlite3 *));
        struct sqlite sqlite;
        int r;

        if (!dbs)
                return -ENOMEM;
        r = sqlite_load(&sqlite, reason, size);
        if (r < 0)
                return r;
        r = copy_all(&sqlite, dbs, copies, n, max, reason, size);
        for (size_t i = 0; i < n; i++)
                (void)sqlite.close_v2(dbs[i]);
        dlclose(sqlite.library);
        return r;
}

/* ---- checking ---- */

/* The first row of integrity_check: "ok", or what is wrong. */
static int on_row(void *userdata, int n, char **values, char **names)
{
        char *first = userdata;

        if (!*first && n > 0 && values[0])
                snprintf(first, 128, "%s", values[0]);
        return 0;
}

static int check_content(const struct sqlite *sqlite, struct sqlite3 *db, char *reason, size_t size)
{
        char result[128] = "", table[128] = "";
        int r = sqlite->exec(db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON", NULL, NULL, NULL);

        if (r == SQLITE_OK)
                r = sqlite->exec(db, "PRAGMA integrity_check(1)", on_row, result, NULL);
        if (r == SQLITE_OK)
                r = sqlite->exec(db,
                        "SELECT name FROM sqlite_master WHERE type='table' AND name IN "
                        "('nssPublic','nssPrivate')",
                        on_row, table, NULL);
        if (r == SQLITE_OK && strcmp(result, "ok") == 0 && *table)
                return 0;
        snprintf(reason, size, "%s",
                r != SQLITE_OK              ? sqlite->errmsg(db)
                : strcmp(result, "ok") != 0 ? result
                                            : "it is not a database of NSS");
        return -EBADMSG;
}

int database_check(const uint8_t *data, size_t length, char *reason, size_t size)
{
        _cleanup_(freep) uint8_t *bytes = malloc(length + 1);
        struct sqlite3 *db = NULL;
        struct sqlite sqlite;
        int r;

        if (!bytes)
                return -ENOMEM;
        memcpy(bytes, data, length);
        r = sqlite_load(&sqlite, reason, size);
        if (r < 0)
                return r;
        if (sqlite.open_v2(":memory:", &db, OPEN_READWRITE, NULL) != SQLITE_OK ||
                sqlite.deserialize(db, "main", bytes, (int64_t)length, (int64_t)length, 0) != SQLITE_OK)
                r = fail(&sqlite, db, "a database in memory", reason, size);
        if (r == 0)
                r = check_content(&sqlite, db, reason, size);
        (void)sqlite.close_v2(db);
        dlclose(sqlite.library);
        return r;
}
