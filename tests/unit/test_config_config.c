/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/config: what is read, what holds where nothing is given, and that a snapshot survives being written
 * out. */
#include "daemon/config/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/util/text.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

static void show(void *userdata, const char *line)
{
        unsigned *n = userdata;

        if (n)
                ++*n;
        else
                printf("\nunexpected: %s\n", line);
}

static struct config *parse(const char *text)
{
        struct config *config = NULL;

        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), show, NULL, &config), 0);
        return config;
}

#define FULL                                                                                                 \
        "# comment\n; another\n[Daemon]\nSocket = /s\nStatusSocket=\"/with \\\"quotes\\\" and \\\\\"\n"      \
        "StateDirectory=/with space\r\nAudit=file:/log/a b\nAuditRequired=Yes\nAuditKey=hsm:CA Audit\n"      \
        "AuditSignInterval=10min\nAuditRotateSize=2G\n\n[Token "                                             \
        "hsm]\nModule=/usr/lib/x.so\nUri=pkcs11:token=hsm\n"                                                 \
        "Pin=file:/etc/pin\nEnvironment=A=1\nEnvironment=\"B=2 3\" C='4 \"5\\' D=\"x y\"z\nSessions=7\n"     \
        "Timeout=1min 30s\nGenerateTimeout=2min\nStartTimeout=500ms\nRefresh=5\nKeepAlive=1.5h\nRole=keys\n" \
        "Accelerator=accel\nAcceleratedKeys=4\n[Token accel]\nModule=/x.so\nRole=accelerator\n"              \
        "Pin=credential:accel.pin\n[Token soft]\nModule=internal\n[Instance i]\nUser=0\nGroup=0\n"           \
        "Unit=x@y.service\nToken=hsm\nOtherTokens=soft accel\nKeys=\"*cert-ca CA\" \"x\"\nKeys=more\n"       \
        "Allow=list sign\nAllow=check\nWeight=10\nMaxQueued=1\nMaxConnections=2\n"

static void check_full_token(const struct config_token *token)
{
        CU_ASSERT_STRING_EQUAL(token->name, "hsm");
        CU_ASSERT_STRING_EQUAL(token->module, "/usr/lib/x.so");
        CU_ASSERT_STRING_EQUAL(token->uri, "pkcs11:token=hsm");
        CU_ASSERT_STRING_EQUAL(token->pin, "file:/etc/pin");
        CU_ASSERT_PTR_NULL(token->directory);
        CU_ASSERT_STRING_EQUAL(token->environment[0], "A=1");
        CU_ASSERT_STRING_EQUAL(token->environment[1], "B=2 3");
        CU_ASSERT_STRING_EQUAL(token->environment[2], "C=4 \"5\\");
        CU_ASSERT_STRING_EQUAL(token->environment[3], "D=x yz");
        CU_ASSERT_PTR_NULL(token->environment[4]);
        CU_ASSERT_EQUAL(token->sessions, 7);
        CU_ASSERT_EQUAL(token->timeout_usec, 90 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->generate_timeout_usec, 120 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->start_timeout_usec, 500 * USEC_PER_MSEC);
        CU_ASSERT_EQUAL(token->refresh_usec, 5 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->keep_alive_usec, 5400 * USEC_PER_SEC);
        CU_ASSERT_STRING_EQUAL(token->accelerator, "accel");
        CU_ASSERT_EQUAL(token->accelerated_keys, 4);
}

static void test_full(void)
{
        _cleanup_(config_freep) struct config *config = parse(FULL);
        const struct config_instance *instance = config->instances[0];

        CU_ASSERT_STRING_EQUAL(config->socket, "/s");
        CU_ASSERT_STRING_EQUAL(config->status_socket, "/with \"quotes\" and \\");
        CU_ASSERT_STRING_EQUAL(config->state_directory, "/with space");
        CU_ASSERT_EQUAL_FATAL(config->n_tokens, 3);
        check_full_token(config->tokens[0]);
        CU_ASSERT_EQUAL(config->tokens[1]->role, ROLE_ACCELERATOR);
        CU_ASSERT_STRING_EQUAL(config->tokens[2]->directory, "/with space/soft");
        CU_ASSERT_EQUAL_FATAL(config->n_instances, 1);
        CU_ASSERT_EQUAL(instance->user, 0);
        CU_ASSERT_EQUAL(instance->group, 0);
        CU_ASSERT_STRING_EQUAL(instance->unit, "x@y.service");
        CU_ASSERT_STRING_EQUAL(instance->token, "hsm");
        CU_ASSERT_STRING_EQUAL(instance->other_tokens[1], "accel");
        CU_ASSERT_STRING_EQUAL(instance->keys[0], "*cert-ca CA");
        CU_ASSERT_STRING_EQUAL(instance->keys[2], "more");
        CU_ASSERT_PTR_NULL(instance->keys[3]);
        CU_ASSERT_EQUAL(instance->allow, RIGHT_LIST | RIGHT_SIGN | RIGHT_CHECK);
        CU_ASSERT_EQUAL(instance->weight, 10);
        CU_ASSERT_EQUAL(instance->max_queued, 1);
        CU_ASSERT_EQUAL(instance->max_connections, 2);
}

static void test_defaults(void)
{
        _cleanup_(config_freep) struct config *config =
                parse("[Token t]\nModule=/x.so\n[Instance i]\nUser=5\nKeys=*\n");
        const struct config_token *token = config->tokens[0];
        const struct config_instance *instance = config->instances[0];

        CU_ASSERT_STRING_EQUAL(config->socket, "/run/tokend/tokend.sock");
        CU_ASSERT_STRING_EQUAL(config->status_socket, "/run/tokend/status.sock");
        CU_ASSERT_STRING_EQUAL(config->state_directory, "/var/lib/tokend");
        CU_ASSERT_EQUAL(token->sessions, 6);
        CU_ASSERT_EQUAL(token->timeout_usec, 10 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->generate_timeout_usec, 120 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->start_timeout_usec, 10 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->refresh_usec, 5 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->keep_alive_usec, 15 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(token->role, ROLE_KEYS);
        CU_ASSERT_PTR_NULL(token->environment[0]);
        CU_ASSERT_EQUAL(instance->user, 5);
        CU_ASSERT_EQUAL(instance->group, (gid_t)-1);
        CU_ASSERT_PTR_NULL(instance->token);
        CU_ASSERT_PTR_NULL(instance->other_tokens[0]);
        CU_ASSERT_EQUAL(instance->allow, RIGHT_LIST | RIGHT_SIGN | RIGHT_VERIFY);
        CU_ASSERT_EQUAL(instance->weight, 100);
        CU_ASSERT_EQUAL(instance->max_queued, 256);
        CU_ASSERT_EQUAL(instance->max_connections, 1024);
}

static void test_allowed(void)
{
        static const char *const units[] = {
                "x.service", "x@a\\x2db:c.service", "session-1.scope", "a.b_c.socket"};
        static const char *const uris[] = {"pkcs11:", "pkcs11:slot-id=0",
                "pkcs11:token=a%20b;serial=1;manufacturer=m;model=n;slot-id=3",
                "pkcs11:library-manufacturer=l;token=t;type=private"};

        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                _cleanup_(freep) char *text = text_format(
                        "[Token t]\nModule=/x.so\nUri=%s\n[Instance i]\nUnit=%s\nKeys=hsm:* \\*\n", uris[i],
                        units[i]);
                _cleanup_(config_freep) struct config *config = parse(text);

                CU_ASSERT_STRING_EQUAL(config->tokens[0]->uri, uris[i]);
                CU_ASSERT_STRING_EQUAL(config->instances[0]->unit, units[i]);
        }
        config_free(parse("[Token PKCS11]\nModule=/x.so\n[Token SEALED]\nModule=/x.so\n"
                          "[Instance pkcs11]\nUser=0\nKeys=*\n[Instance sealed]\nUser=1\nKeys=*\n"));
}

static void test_empty(void)
{
        _cleanup_(config_freep) struct config *config =
                parse("[Daemon]\nStateDirectory=/s\n[Instance i]\nUser=0\nKeys=*\nToken=internal\n");

        CU_ASSERT_EQUAL_FATAL(config->n_tokens, 1);
        CU_ASSERT_STRING_EQUAL(config->tokens[0]->name, "internal");
        CU_ASSERT_STRING_EQUAL(config->tokens[0]->module, "internal");
        CU_ASSERT_STRING_EQUAL(config->tokens[0]->directory, "/s/internal");
        CU_ASSERT_PTR_EQUAL(config_token(config, "internal"), config->tokens[0]);
        CU_ASSERT_PTR_NULL(config_token(config, "other"));
}

static void test_round_trip(void)
{
        _cleanup_(config_freep) struct config *config = parse(FULL), *again = NULL;
        _cleanup_(freep) char *text = NULL, *second = NULL;

        CU_ASSERT_EQUAL_FATAL(config_format(config, &text), 0);
        again = parse(text);
        CU_ASSERT_EQUAL_FATAL(config_format(again, &second), 0);
        CU_ASSERT_STRING_EQUAL(text, second);
        CU_ASSERT_EQUAL_FATAL(again->n_tokens, config->n_tokens);
        for (size_t i = 0; i < config->n_tokens; i++)
                CU_ASSERT(config_token_equal(config->tokens[i], again->tokens[i]));
        check_full_token(again->tokens[0]);
        CU_ASSERT_STRING_EQUAL(again->status_socket, config->status_socket);
        CU_ASSERT_STRING_EQUAL(again->instances[0]->keys[0], "*cert-ca CA");
        CU_ASSERT_EQUAL(again->instances[0]->allow, config->instances[0]->allow);
}

/* Each of these is a value in its own right: none may be taken for a quote, a comment, a list or an end. */
static void test_round_trip_of_values(void)
{
        static const char *const values[] = {"a", "a b", " a ", "'", "\"", "a\"b", "a\\", "\\\\", "\\\"",
                "#a", ";", "[a]", "a=b", "\t", "\xc3\xa4"};
        _cleanup_(config_freep) struct config *config =
                parse("[Token t]\nModule=/x.so\n[Instance i]\nUser=0\nKeys=*\n");

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                _cleanup_(config_freep) struct config *again = NULL;
                _cleanup_(freep) char *text = NULL;

                free(config->instances[0]->keys[0]);
                config->instances[0]->keys[0] = strdup(values[i]);
                free(config->tokens[0]->module);
                CU_ASSERT_NOT_EQUAL_FATAL(asprintf(&config->tokens[0]->module, "/%s", values[i]), -1);
                CU_ASSERT_EQUAL_FATAL(config_format(config, &text), 0);
                again = parse(text);
                CU_ASSERT_STRING_EQUAL(again->instances[0]->keys[0], values[i]);
                CU_ASSERT_PTR_NULL(again->instances[0]->keys[1]);
                CU_ASSERT_STRING_EQUAL(again->tokens[0]->module, config->tokens[0]->module);
        }
}

/* Every key of a token makes a difference; a different order of keys and spelling does not. */
static void test_equal(void)
{
        static const char *const changed[] = {"Module=/y.so\n", "Module=/x.so\nUri=pkcs11:token=u\n",
                "Module=/x.so\nPin=file:/p\n", "Module=/x.so\nEnvironment=A=1\n",
                "Module=/x.so\nSessions=5\n", "Module=/x.so\nTimeout=9\n",
                "Module=/x.so\nGenerateTimeout=9\n", "Module=/x.so\nStartTimeout=9\n",
                "Module=/x.so\nRefresh=9\n", "Module=/x.so\nKeepAlive=9\n",
                "Module=/x.so\nRole=accelerator\n", "Module=/x.so\nAcceleratedKeys=9\n", "Module=internal\n"};
        _cleanup_(config_freep) struct config *config = parse("[Token t]\nModule=/x.so\nSessions=6\n");
        _cleanup_(config_freep) struct config *same =
                parse("[Token t]\nTimeout=10s\n# x\nModule=\"/x.so\"\n");
        _cleanup_(config_freep) struct config *name = parse("[Token u]\nModule=/x.so\n");

        CU_ASSERT(config_token_equal(config->tokens[0], same->tokens[0]));
        CU_ASSERT_FALSE(config_token_equal(config->tokens[0], name->tokens[0]));
        for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
                char text[256];
                _cleanup_(config_freep) struct config *other = NULL;

                snprintf(text, sizeof(text), "[Token t]\n%s", changed[i]);
                other = parse(text);
                CU_ASSERT_FALSE(config_token_equal(config->tokens[0], other->tokens[0]));
        }
}

static void test_long(void)
{
        _cleanup_(freep) char *text = malloc(400000);
        _cleanup_(config_freep) struct config *config = NULL;
        int at = sprintf(text, "[Instance i]\nUser=0\nKeys=");

        memset(text + at, 'x', 300000);
        text[at + 300000] = '\0';
        config = parse(text);
        CU_ASSERT_EQUAL(strlen(config->instances[0]->keys[0]), 300000);
}

static void test_memfd(void)
{
        _cleanup_(config_freep) struct config *config = parse(FULL), *again = NULL;
        _cleanup_(closep) int fd = -1;

        CU_ASSERT_EQUAL_FATAL(config_to_memfd(config, &fd), 0);
        CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
        CU_ASSERT_EQUAL(ftruncate(fd, 0), -1);
        /* Twice: where the descriptor stands does not matter. */
        CU_ASSERT_EQUAL_FATAL(config_from_memfd(fd, &again), 0);
        config_free(TAKE_PTR(again));
        CU_ASSERT_EQUAL_FATAL(config_from_memfd(fd, &again), 0);
        CU_ASSERT(config_token_equal(config->tokens[0], again->tokens[0]));
}

static void test_memfd_bad(void)
{
        struct config *none = NULL;
        int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        _cleanup_(closep) int open_fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        _cleanup_(closep) int bad_fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        CU_ASSERT_EQUAL(config_from_memfd(open_fd, &none), -EBADMSG);
        CU_ASSERT_EQUAL_FATAL(write(bad_fd, "[Nonsense]\n", 11), 11);
        CU_ASSERT_EQUAL_FATAL(fcntl(bad_fd, F_ADD_SEALS, seals), 0);
        CU_ASSERT_EQUAL(config_from_memfd(bad_fd, &none), -EBADMSG);
        CU_ASSERT_EQUAL(config_from_memfd(-1, &none), -EBADF);
        CU_ASSERT_PTR_NULL(none);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text, size_t n)
{
        FILE *file = fopen(path, "w");

        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        CU_ASSERT_EQUAL_FATAL(fwrite(text, 1, n, file), n);
        CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

struct directory {
        char path[32], base[64], extra[80], a[96], b[96], ignored[96];
};

static void directory_new(struct directory *directory)
{
        strcpy(directory->path, "/tmp/tokend-config.XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory->path));
        snprintf(directory->base, sizeof(directory->base), "%s/c", directory->path);
        snprintf(directory->extra, sizeof(directory->extra), "%s.d", directory->base);
        snprintf(directory->a, sizeof(directory->a), "%s/10-a.conf", directory->extra);
        snprintf(directory->b, sizeof(directory->b), "%s/9-b.conf", directory->extra);
        snprintf(directory->ignored, sizeof(directory->ignored), "%s/x.txt", directory->extra);
        CU_ASSERT_EQUAL_FATAL(mkdir(directory->extra, 0700), 0);
}

static void directory_remove(const struct directory *directory)
{
        (void)unlink(directory->a);
        (void)unlink(directory->b);
        (void)unlink(directory->ignored);
        (void)unlink(directory->base);
        (void)rmdir(directory->extra);
        CU_ASSERT_EQUAL(rmdir(directory->path), 0);
}

#define PUT(path, text) write_file(path, text, strlen(text))

static void test_files(void)
{
        _cleanup_(config_freep) struct config *config = NULL;
        struct directory directory;
        unsigned n = 0;

        directory_new(&directory);
        PUT(directory.base, "[Instance i]\nUser=0\nKeys=*\nToken=b\n");
        PUT(directory.a, "[Token a]\nModule=/a.so\n");
        PUT(directory.b, "[Token b]\nModule=/b.so\n");
        PUT(directory.ignored, "[Nonsense]\n");
        CU_ASSERT_EQUAL_FATAL(config_load(directory.base, show, NULL, &config), 0);
        /* In the order of bytes: 1 before 9. */
        CU_ASSERT_STRING_EQUAL(config->tokens[0]->name, "a");
        CU_ASSERT_STRING_EQUAL(config->tokens[1]->name, "b");
        PUT(directory.b, "Sessions=5\n[Token a]\nModule=/b.so\n");
        CU_ASSERT_EQUAL(config_load(directory.base, show, &n, &config), 1);
        /* A key before the first section of this file, a section of another, a token that is gone. */
        CU_ASSERT_EQUAL(n, 3);
        directory_remove(&directory);
}

static void test_no_file(void)
{
        struct config *none = NULL;
        unsigned n = 0;

        CU_ASSERT_EQUAL(config_load("/nonexistent/c", show, &n, &none), -ENOENT);
        CU_ASSERT_EQUAL(n, 1);
}

/* A FIFO would be waited for; /dev/null is how a drop-in of another's is masked. */
static void test_no_regular_file(void)
{
        _cleanup_(config_freep) struct config *config = NULL;
        struct directory directory;
        unsigned n = 0;

        directory_new(&directory);
        CU_ASSERT_EQUAL_FATAL(mkfifo(directory.base, 0600), 0);
        CU_ASSERT_EQUAL(config_load(directory.base, show, &n, &config), 1);
        CU_ASSERT_EQUAL(n, 1);
        (void)unlink(directory.base);
        PUT(directory.base, "[Instance i]\nUser=0\nKeys=*\nToken=b\n");
        CU_ASSERT_EQUAL_FATAL(mkfifo(directory.a, 0600), 0);
        CU_ASSERT_EQUAL(config_load(directory.base, show, &n, &config), 1);
        /* Not of the token too, which may stand there. */
        CU_ASSERT_EQUAL(n, 2);
        (void)unlink(directory.a);
        CU_ASSERT_EQUAL_FATAL(symlink("/dev/null", directory.a), 0);
        PUT(directory.b, "[Token b]\nModule=/b.so\n");
        CU_ASSERT_EQUAL(config_load(directory.base, show, NULL, &config), 0);
        directory_remove(&directory);
}

static void test_limit_config(void)
{
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_(freep) char *text = malloc(LIMIT_CONFIG);
        struct directory directory;
        unsigned n = 0;

        directory_new(&directory);
        memset(text, '#', LIMIT_CONFIG);
        write_file(directory.base, text, LIMIT_CONFIG);
        CU_ASSERT_EQUAL(config_load(directory.base, show, NULL, &config), 0);
        PUT(directory.a, "\n");
        CU_ASSERT_EQUAL(config_load(directory.base, show, &n, &config), 1);
        CU_ASSERT_EQUAL(n, 1);
        directory_remove(&directory);
}

static void test_audit(void)
{
        struct config *config = parse("");

        CU_ASSERT_EQUAL(config_audit_mode(config), AUDIT_MODE_JOURNAL);
        CU_ASSERT_PTR_NULL(config_audit_path(config));
        CU_ASSERT_EQUAL(config->audit_required, 0);
        CU_ASSERT_PTR_NULL(config->audit_key);
        CU_ASSERT_EQUAL(config->audit_sign_interval_usec, 3600 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(config->audit_rotate_size, 64U << 20);
        CU_ASSERT_EQUAL(config->audit_keep, 0);
        config_free(config);
        config = parse(FULL);
        CU_ASSERT_EQUAL(config_audit_mode(config), AUDIT_MODE_FILE);
        CU_ASSERT_STRING_EQUAL(config_audit_path(config), "/log/a b");
        CU_ASSERT_EQUAL(config->audit_required, 1);
        CU_ASSERT_STRING_EQUAL(config->audit_key, "hsm:CA Audit");
        CU_ASSERT_EQUAL(config->audit_sign_interval_usec, 600 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(config->audit_rotate_size, UINT64_C(2) << 30);
        config_free(config);
        /* The default token can hold the key too. */
        config = parse(
                "[Daemon]\nAudit=file:/a\nAuditKey=internal:k\nAuditRotateSize=4096\nAuditRequired=off\n");
        CU_ASSERT_EQUAL(config->audit_rotate_size, 4096);
        CU_ASSERT_EQUAL(config->audit_required, 0);
        config_free(config);
        config = parse("[Daemon]\nAudit=file:/a\nAuditKeep=12w\n");
        CU_ASSERT_EQUAL(config->audit_keep, 84);
        config_free(config);
        config = parse("[Daemon]\nAudit=none\n");
        CU_ASSERT_EQUAL(config_audit_mode(config), AUDIT_MODE_NONE);
        config_free(config);
}

SUITE(config, {"every key is read, with quotes, comments and repetitions", test_full},
        {"defaults hold where nothing is given", test_defaults},
        {"URIs, units and names that look odd and are right", test_allowed},
        {"without a [Token] there is one internal token", test_empty},
        {"a snapshot written out reads as the same", test_round_trip},
        {"whatever may stand in a value survives being written out", test_round_trip_of_values},
        {"the keys of the audit, and their defaults", test_audit},
        {"sections are equal by their values", test_equal}, {"no length is cut", test_long},
        {"a memfd carries a snapshot and can not be changed", test_memfd},
        {"a memfd that is open or has faults is refused", test_memfd_bad},
        {"FILE.d is read in name order, faults with their file", test_files},
        {"a file that is not there is a fault", test_no_file},
        {"what is no regular file is a fault, but for /dev/null", test_no_regular_file},
        {"LIMIT_CONFIG bytes together, and not one more", test_limit_config});
