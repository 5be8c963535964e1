/* SPDX-License-Identifier: MPL-2.0 */
/* See keys.h. */
#include "daemon/config/keys.h"

#include <string.h>
#include <strings.h>

#include "daemon/config/type.h"
#include "daemon/config/value.h"
#include "proto/limits.h"

#define DAEMON(field)   offsetof(struct config, field)
#define TOKEN(field)    offsetof(struct config_token, field)
#define INSTANCE(field) offsetof(struct config_instance, field)
/* The least and the greatest value of a number, and its default. */
#define RANGE(least, most, otherwise) .min = (least), .max = (most), .default_number = (otherwise)
/* Of a duration. A shorter period would keep a processor busy, and a shorter timeout would fail every call. */
#define DURATION(otherwise) RANGE(100 * USEC_PER_MSEC, 24 * 3600 * USEC_PER_SEC, (otherwise))

/* clang-format off */
static const struct config_key daemon_keys[] = {
        {"Socket",          &type_socket, DAEMON(socket),          .default_text = "/run/tokend/tokend.sock"},
        {"StatusSocket",    &type_socket, DAEMON(status_socket),   .default_text = "/run/tokend/status.sock"},
        {"StateDirectory",  &type_path,   DAEMON(state_directory), .default_text = "/var/lib/tokend"},
        {"Audit",           &type_audit,  DAEMON(audit),           .default_text = "journal"},
        {"AuditRequired",   &type_boolean, DAEMON(audit_required), .default_number = 0},
        {"AuditKey",        &type_audit_key, DAEMON(audit_key),    .default_text = NULL},
        {"AuditSignInterval", &type_duration, DAEMON(audit_sign_interval_usec), DURATION(3600 * USEC_PER_SEC)},
        {"AuditRotateSize", &type_size,   DAEMON(audit_rotate_size), RANGE(4096, UINT64_C(1) << 40, 64U << 20)},
        {"AuditKeep",       &type_days,   DAEMON(audit_keep),      RANGE(0, 36500, 0)},
        {"MaxMemory",       &type_size,   DAEMON(max_memory),      RANGE(16U << 20, UINT64_C(1) << 40, 256U << 20)},
};

static const struct config_key token_keys[] = {
        {"Module",          &type_module,      TOKEN(module), .default_text = NULL},
        {"Uri",             &type_uri,         TOKEN(uri), .default_text = NULL},
        {"Pin",             &type_pin,         TOKEN(pin), .default_text = NULL},
        {"Directory",       &type_path,        TOKEN(directory), .default_text = NULL},
        {"Environment",     &type_environment, TOKEN(environment), .default_text = NULL},
        {"Sessions",        &type_number,      TOKEN(sessions), RANGE(LIMIT_SESSIONS_MIN, LIMIT_SESSIONS_MAX, 6)},
        {"Timeout",         &type_duration,    TOKEN(timeout_usec), DURATION(10 * USEC_PER_SEC)},
        {"GenerateTimeout", &type_duration,    TOKEN(generate_timeout_usec), DURATION(120 * USEC_PER_SEC)},
        {"StartTimeout",    &type_duration,    TOKEN(start_timeout_usec), DURATION(10 * USEC_PER_SEC)},
        {"Refresh",         &type_duration,    TOKEN(refresh_usec), DURATION(5 * USEC_PER_SEC)},
        {"KeepAlive",       &type_duration,    TOKEN(keep_alive_usec), DURATION(15 * USEC_PER_SEC)},
        {"Role",            &type_role,        TOKEN(role), .default_number = ROLE_KEYS},
        {"SessionCopies",   &type_session_copies, TOKEN(session_copies), .default_number = SESSION_COPIES_AUTO},
        {"Accelerator",     &type_accelerator, TOKEN(accelerator), .default_text = NULL},
        {"AcceleratedKeys", &type_number,      TOKEN(accelerated_keys), RANGE(1, 65536, 256)},
};

static const struct config_key instance_keys[] = {
        {"User",            &type_user,         INSTANCE(user), .default_number = UINT32_MAX},
        {"Group",           &type_group,        INSTANCE(group), .default_number = UINT32_MAX},
        {"Unit",            &type_unit,         INSTANCE(unit), .default_text = NULL},
        {"Token",           &type_own_token,    INSTANCE(token), .default_text = NULL},
        {"OtherTokens",     &type_other_tokens, INSTANCE(other_tokens), .default_text = NULL},
        {"Keys",            &type_globs,        INSTANCE(keys), .default_text = NULL},
        {"Allow",           &type_rights,       INSTANCE(allow), .default_number = RIGHT_LIST | RIGHT_SIGN | RIGHT_VERIFY},
        {"Weight",          &type_number,       INSTANCE(weight), RANGE(1, 10000, 100)},
        {"MaxQueued",       &type_number,       INSTANCE(max_queued), RANGE(1, 65536, 256)},
        {"MaxConnections",  &type_number,       INSTANCE(max_connections), RANGE(1, 65536, 1024)},
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(daemon_keys) <= SECTION_KEYS_MAX, "room for places");
_Static_assert(ARRAY_SIZE(token_keys) <= SECTION_KEYS_MAX, "room for places");
_Static_assert(ARRAY_SIZE(instance_keys) <= SECTION_KEYS_MAX, "room for places");
_Static_assert(sizeof(uid_t) == 4 && sizeof(gid_t) == 4, "STORAGE_ID");

const struct config_section config_sections[SECTION_KINDS_] = {
        [SECTION_DAEMON] = {"Daemon", false, daemon_keys, ARRAY_SIZE(daemon_keys)},
        [SECTION_TOKEN] = {"Token", true, token_keys, ARRAY_SIZE(token_keys)},
        [SECTION_INSTANCE] = {"Instance", true, instance_keys, ARRAY_SIZE(instance_keys)},
};

static bool is_wide(const struct config_key *key)
{
        return key->type->storage == STORAGE_USEC || key->type->storage == STORAGE_SIZE;
}

void *key_field(const struct config_key *key, void *object)
{
        return (char *)object + key->offset;
}

static const void *field_in(const struct config_key *key, const void *object)
{
        return (const char *)object + key->offset;
}

uint64_t key_number(const struct config_key *key, const void *object)
{
        const void *field = field_in(key, object);

        return is_wide(key) ? *(const uint64_t *)field : *(const uint32_t *)field;
}

void key_set_number(const struct config_key *key, void *object, uint64_t value)
{
        if (is_wide(key))
                *(uint64_t *)key_field(key, object) = value;
        else
                *(uint32_t *)key_field(key, object) = (uint32_t)value;
}

char *key_text(const struct config_key *key, const void *object)
{
        return *(char *const *)field_in(key, object);
}

char **key_list(const struct config_key *key, const void *object)
{
        return *(char **const *)field_in(key, object);
}

int keys_init(enum section_kind kind, void *object)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++) {
                const struct config_key *key = &config_sections[kind].keys[i];

                if (key->type->storage == STORAGE_LIST) {
                        char **list = calloc(1, sizeof(*list));
                        if (!list)
                                return -ENOMEM;
                        *(char ***)key_field(key, object) = list;
                } else if (key->type->storage != STORAGE_TEXT)
                        key_set_number(key, object, key->default_number);
                else if (key->default_text) {
                        char *text = strdup(key->default_text);
                        if (!text)
                                return -ENOMEM;
                        *(char **)key_field(key, object) = text;
                }
        }
        return 0;
}

void keys_done(enum section_kind kind, void *object)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++) {
                const struct config_key *key = &config_sections[kind].keys[i];

                if (key->type->storage == STORAGE_TEXT)
                        free(key_text(key, object));
                else if (key->type->storage == STORAGE_LIST) {
                        char **list = key_list(key, object);
                        for (size_t j = 0; list && list[j]; j++)
                                free(list[j]);
                        free(list);
                }
        }
}

static bool text_equal(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool list_equal(char **a, char **b)
{
        while (*a && *b && strcmp(*a, *b) == 0) {
                a++;
                b++;
        }
        return !*a && !*b;
}

static bool key_equal(const struct config_key *key, const void *a, const void *b)
{
        if (key->type->storage == STORAGE_TEXT)
                return text_equal(key_text(key, a), key_text(key, b));
        if (key->type->storage == STORAGE_LIST)
                return list_equal(key_list(key, a), key_list(key, b));
        return key_number(key, a) == key_number(key, b);
}

bool keys_equal(enum section_kind kind, const void *a, const void *b)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++)
                if (!key_equal(&config_sections[kind].keys[i], a, b))
                        return false;
        return true;
}

const struct config_key *keys_find_similar(enum section_kind kind, const char *name)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++)
                if (strcasecmp(config_sections[kind].keys[i].name, name) == 0)
                        return &config_sections[kind].keys[i];
        return NULL;
}

const struct config_key *keys_find(enum section_kind kind, const char *name)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++)
                if (strcmp(config_sections[kind].keys[i].name, name) == 0)
                        return &config_sections[kind].keys[i];
        return NULL;
}

bool key_may_repeat(const struct config_key *key)
{
        return key->type->storage == STORAGE_LIST || key->type->storage == STORAGE_RIGHTS;
}

struct place key_place(const struct section *section, size_t offset)
{
        const struct config_section *table = &config_sections[section->kind];

        for (size_t i = 0; i < table->n_keys; i++)
                if (table->keys[i].offset == offset)
                        return section->keys[i];
        return (struct place){0};
}

/* ---- writing ---- */

static void put_quoted(struct buffer *out, const char *text)
{
        buffer_put(out, "\"", 1);
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        buffer_put(out, "\\", 1);
                buffer_put(out, text, 1);
        }
        buffer_put(out, "\"", 1);
}

static void put_list(struct buffer *out, const struct config_key *key, char **list)
{
        if (!*list)
                return;
        buffer_put_format(out, "%s=", key->name);
        for (size_t i = 0; list[i]; i++) {
                buffer_put_text(out, i > 0 ? " " : "");
                put_quoted(out, list[i]);
        }
        buffer_put(out, "\n", 1);
}

static void put_rights(struct buffer *out, const struct config_key *key, uint64_t rights)
{
        buffer_put_format(out, "%s=", key->name);
        for (unsigned right = 1; right <= RIGHT_ALL; right <<= 1)
                if (rights & right)
                        buffer_put_format(out, "%s ", key->type->name(right));
        buffer_put(out, "\n", 1);
}

static void put_key(struct buffer *out, const struct config_key *key, const void *object)
{
        switch (key->type->storage) {
        case STORAGE_TEXT:
                if (key_text(key, object)) {
                        buffer_put_format(out, "%s=", key->name);
                        put_quoted(out, key_text(key, object));
                        buffer_put(out, "\n", 1);
                }
                break;
        case STORAGE_LIST:
                put_list(out, key, key_list(key, object));
                break;
        case STORAGE_NUMBER:
        case STORAGE_SIZE:
                buffer_put_format(out, "%s=%ju\n", key->name, (uintmax_t)key_number(key, object));
                break;
        case STORAGE_USEC:
                buffer_put_format(out, "%s=%juus\n", key->name, (uintmax_t)key_number(key, object));
                break;
        case STORAGE_ID:
                if (key_number(key, object) != UINT32_MAX)
                        buffer_put_format(out, "%s=%ju\n", key->name, (uintmax_t)key_number(key, object));
                break;
        case STORAGE_ROLE:
                buffer_put_format(
                        out, "%s=%s\n", key->name, key->type->name((unsigned)key_number(key, object)));
                break;
        case STORAGE_RIGHTS:
                put_rights(out, key, key_number(key, object));
                break;
        }
}

void keys_put(struct buffer *out, enum section_kind kind, const void *object)
{
        for (size_t i = 0; i < config_sections[kind].n_keys; i++)
                put_key(out, &config_sections[kind].keys[i], object);
}
