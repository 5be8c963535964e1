/* SPDX-License-Identifier: MPL-2.0 */
/* See type.h. */
#include "daemon/config/type.h"

#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "daemon/config/config.h"
#include "daemon/config/value.h"
#include "daemon/util/duration.h"
#include "daemon/util/text.h"
#include "daemon/util/uri.h"

static bool is_path(const char *text)
{
        return *text == '/';
}

static bool is_socket(const char *text)
{
        size_t length = strlen(text);

        return is_path(text) && text[length - 1] != '/' &&
               length < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool is_module(const char *text)
{
        return is_path(text) || strcmp(text, "internal") == 0;
}

/* object=, id= and x-der-tail= name an object, not a token: `pkcs11:object=x` would match every token. */
static int check_uri(const char *text)
{
        _cleanup_(uri_done) struct uri uri = {0};
        int r = uri_parse(text, &uri);

        if (r < 0)
                return r;
        return uri.object || uri.id || uri.der_tail ? -EINVAL : 0;
}

static char *explain_uri(const char *text)
{
        _cleanup_(uri_done) struct uri uri = {0};
        char *fault = NULL;

        if (uri_fault(text, &fault) == 0)
                return fault;
        if (uri_parse(text, &uri) < 0)
                return NULL;
        return text_format("the attribute %s names an object on the token", uri.object ? "object"
                                                                            : uri.id   ? "id"
                                                                                       : "x-der-tail");
}

static bool is_pin(const char *text)
{
        if (strncmp(text, "file:", 5) == 0)
                return is_path(text + 5);
        if (strncmp(text, "credential:", 11) != 0)
                return false;
        text += 11;
        return *text && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* A unit's name as in systemd.unit(5). It is compared as it stands: a part of a name (`foo`) or a glob would match no caller. */
static bool is_unit(const char *text)
{
        static const char characters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
        static const char *const suffixes[] = {"service", "socket", "device", "mount", "automount", "swap",
                "target", "path", "timer", "slice", "scope"};
        const char *dot = strrchr(text, '.');

        if (!dot || dot == text || text[strspn(text, characters)])
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
                if (strcmp(dot + 1, suffixes[i]) == 0)
                        return true;
        return false;
}

static bool is_glob(const char *text)
{
        return *text;
}

static bool is_assignment(const char *text)
{
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        return length > 0 && text[length] == '=' && !(*text >= '0' && *text <= '9');
}

static bool is_audit(const char *text)
{
        size_t length = strlen(text);

        if (strcmp(text, "none") == 0 || strcmp(text, "journal") == 0)
                return true;
        return strncmp(text, "file:", 5) == 0 && is_path(text + 5) && text[length - 1] != '/';
}

static bool is_audit_key(const char *text)
{
        const char *colon = strchr(text, ':');

        return colon && colon > text && text_is_nickname(colon + 1, strlen(colon + 1));
}

static const char *boolean_name(unsigned value)
{
        return value ? "yes" : "no";
}

/* The words that systemd takes. */
static int boolean_number(const char *text, uint64_t *ret)
{
        static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1", "n", "y"};

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcasecmp(text, words[i]) == 0) {
                        *ret = i % 2;
                        return 0;
                }
        return -EINVAL;
}

const char *config_role_name(unsigned role)
{
        return role == ROLE_ACCELERATOR ? "accelerator" : "keys";
}

static int role_number(const char *text, uint64_t *ret)
{
        for (unsigned role = ROLE_KEYS; role <= ROLE_ACCELERATOR; role++)
                if (strcmp(text, config_role_name(role)) == 0) {
                        *ret = role;
                        return 0;
                }
        return -EINVAL;
}

const char *config_session_copies_name(unsigned session_copies)
{
        return session_copies == SESSION_COPIES_AUTO ? "auto"
                                                     : boolean_name(session_copies == SESSION_COPIES_YES);
}

static int session_copies_number(const char *text, uint64_t *ret)
{
        uint64_t yes = 0;

        if (strcasecmp(text, "auto") == 0) {
                *ret = SESSION_COPIES_AUTO;
                return 0;
        }
        if (boolean_number(text, &yes) < 0)
                return -EINVAL;
        *ret = yes ? SESSION_COPIES_YES : SESSION_COPIES_NO;
        return 0;
}

const char *config_right_name(unsigned right)
{
        static const char *const names[] = {RIGHT_NAMES};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (right == 1U << i)
                        return names[i];
        return "?";
}

unsigned config_right_from_name(const char *name)
{
        for (unsigned right = 1; right <= RIGHT_ALL; right <<= 1)
                if (strcmp(name, config_right_name(right)) == 0)
                        return right;
        return 0;
}

static int right_number(const char *text, uint64_t *ret)
{
        unsigned right = config_right_from_name(text);

        if (right == 0)
                return -EINVAL;
        *ret = right;
        return 0;
}

/* Numbers are accepted without a look into the user database, so that the sandboxed broker can parse them too. -1 is not a valid
 * id. */
static int numeric_id(const char *text, uint64_t *ret)
{
        uint64_t id = 0;
        int r = value_number(text, &id);

        if (r < 0)
                return r;
        if (id >= UINT32_MAX)
                return -ERANGE;
        *ret = id;
        return 0;
}

const struct config_type type_path = {
        .storage = STORAGE_TEXT, .valid = is_path, .expected = "an absolute path"};
const struct config_type type_socket = {
        .storage = STORAGE_TEXT, .valid = is_socket, .expected = "an absolute path of at most 107 bytes"};
const struct config_type type_module = {.storage = STORAGE_TEXT,
        .valid = is_module,
        .expected = "the absolute path of a PKCS #11 module, or `internal`"};
const struct config_type type_uri = {.storage = STORAGE_TEXT,
        .check = check_uri,
        .explain = explain_uri,
        .expected = "an RFC 7512 URI of a token"};
const struct config_type type_pin = {.storage = STORAGE_TEXT,
        .valid = is_pin,
        .hidden = true,
        .expected = "file:/ABSOLUTE/PATH or credential:NAME"};
const struct config_type type_unit = {.storage = STORAGE_TEXT,
        .valid = is_unit,
        .expected = "the whole name of a systemd unit (NAME.service)"};
const struct config_type type_globs = {
        .storage = STORAGE_LIST, .valid = is_glob, .expected = "a list of globs that are not empty"};
const struct config_type type_environment = {
        .storage = STORAGE_LIST, .valid = is_assignment, .hidden = true, .expected = "a list of NAME=VALUE"};
const struct config_type type_own_token = {.storage = STORAGE_TEXT,
        .valid = value_is_name,
        .reference = REFERENCE_OWN,
        .expected = "the name of a [Token] section"};
const struct config_type type_other_tokens = {.storage = STORAGE_LIST,
        .valid = value_is_name,
        .reference = REFERENCE_OTHER,
        .expected = "a list of names of [Token] sections"};
const struct config_type type_accelerator = {.storage = STORAGE_TEXT,
        .valid = value_is_name,
        .reference = REFERENCE_ACCELERATOR,
        .expected = "the name of a [Token] section with Role=accelerator"};
const struct config_type type_number = {
        .storage = STORAGE_NUMBER, .number = value_number, .expected = "a number"};
const struct config_type type_duration = {
        .storage = STORAGE_USEC, .number = duration_parse, .expected = "a duration (500ms, 10s, 1min 30s)"};
const struct config_type type_days = {
        .storage = STORAGE_NUMBER, .number = duration_days, .expected = "a number of days (90d, 12w, 2y)"};
const struct config_type type_size = {.storage = STORAGE_SIZE,
        .number = value_size,
        .expected = "a size (bytes, or with K, M, G or T behind it)"};
const struct config_type type_boolean = {
        .storage = STORAGE_ROLE, .number = boolean_number, .name = boolean_name, .expected = "`yes` or `no`"};
const struct config_type type_audit = {
        .storage = STORAGE_TEXT, .valid = is_audit, .expected = "`none`, `journal` or file:/ABSOLUTE/PATH"};
const struct config_type type_audit_key = {
        .storage = STORAGE_TEXT, .valid = is_audit_key, .expected = "the name of a key: token:nickname"};
const struct config_type type_role = {.storage = STORAGE_ROLE,
        .number = role_number,
        .name = config_role_name,
        .expected = "`keys` or `accelerator`"};
const struct config_type type_session_copies = {.storage = STORAGE_ROLE,
        .number = session_copies_number,
        .name = config_session_copies_name,
        .expected = "`auto`, `yes` or `no`"};
const struct config_type type_rights = {.storage = STORAGE_RIGHTS,
        .number = right_number,
        .name = config_right_name,
        .expected = "a list of: " RIGHT_WORDS};
const struct config_type type_user = {.storage = STORAGE_ID,
        .number = numeric_id,
        .named = NAME_USER,
        .expected = "the name of an existing user, or a number"};
const struct config_type type_group = {.storage = STORAGE_ID,
        .number = numeric_id,
        .named = NAME_GROUP,
        .expected = "the name of an existing group, or a number"};
