/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/config if memory is short: a configuration is read whole, with all its faults reported, or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/util/macros.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

#define GOOD                                                                                                 \
        "[Daemon]\nSocket=/s\nStatusSocket=\"/with \\\"quotes\\\"\"\nAudit=file:/log/a "                     \
        "b\nAuditKey=hsm:CA\n[Token hsm]\n"                                                                  \
        "Module=/usr/lib/x.so\nUri=pkcs11:token=hsm;serial=1\nPin=file:/etc/pin\nEnvironment=A=1 \"B=2 "     \
        "3\"\n"                                                                                              \
        "Environment=C=4\nSessions=7\nTimeout=1min 30s\nAccelerator=accel\n[Token accel]\nModule=/x.so\n"    \
        "Role=accelerator\n[Token soft]\nModule=internal\n[Instance i]\nUser=0\nGroup=0\nUnit=x@y.service\n" \
        "Token=hsm\nOtherTokens=soft\nKeys=\"*cert-ca CA\" \"x\"\nKeys=more\nAllow=list sign\nWeight=10\n"
#define BAD                                                                                                  \
        "[Daemon]\nSocket=relative\nNothing=1\n[Token a]\nUri=pkcs11:?\nSessions=many\n[Token "              \
        "a]\n[Instance i]\n"                                                                                 \
        "Token=none\nKeys=\nAllow=everything\n[What]\nno equals sign\n"
enum {
        N_FAULTS = 12
};

static void count(void *userdata, const char *line)
{
        ++*(unsigned *)userdata;
}

static int parse_good(void *userdata)
{
        struct config *config = NULL;
        unsigned n_faults = 0;
        int r = config_parse("f", GOOD, strlen(GOOD), count, &n_faults, &config);

        CU_ASSERT_EQUAL(n_faults, 0);
        if (r == 0) {
                CU_ASSERT_EQUAL(config->n_tokens, 3);
                CU_ASSERT_EQUAL(config->n_instances, 1);
                CU_ASSERT_STRING_EQUAL(config->tokens[0]->environment[2], "C=4");
                CU_ASSERT_STRING_EQUAL(config->instances[0]->keys[2], "more");
                CU_ASSERT_PTR_NULL(config->instances[0]->keys[3]);
        }
        config_free(config);
        return r;
}

static void test_good(void)
{
        alloc_fail_each(parse_good, NULL, -ENOMEM);
}

/* A reload must not take silence for a configuration without faults. */
static int parse_bad(void *userdata)
{
        struct config *config = NULL;
        unsigned n_faults = 0;
        int r = config_parse("f", BAD, strlen(BAD), count, &n_faults, &config);

        CU_ASSERT_NOT_EQUAL(r, 0);
        CU_ASSERT_PTR_NULL(config);
        if (r == 1)
                CU_ASSERT_EQUAL(n_faults, N_FAULTS);
        return r == 1 ? 0 : r;
}

static void test_bad(void)
{
        alloc_fail_each(parse_bad, NULL, -ENOMEM);
}

static int load(void *userdata)
{
        struct config *config = NULL;
        unsigned n_faults = 0;
        int r = config_load(userdata, count, &n_faults, &config);

        if (r == 0) {
                CU_ASSERT_EQUAL(config->n_tokens, 4);
                CU_ASSERT_EQUAL(n_faults, 0);
        }
        config_free(config);
        return r;
}

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "we");

        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fputs(text, file);
        fclose(file);
}

static void test_load(void)
{
        char directory[] = "/tmp/tokend-unit-XXXXXX", path[64], drop_ins[80], drop_in[96];

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/c", directory);
        snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);
        snprintf(drop_in, sizeof(drop_in), "%s/1.conf", drop_ins);
        CU_ASSERT_EQUAL_FATAL(mkdir(drop_ins, 0700), 0);
        write_file(path, GOOD);
        write_file(drop_in, "[Token more]\nModule=/y.so\n");
        alloc_fail_each(load, path, -ENOMEM);
        unlink(drop_in);
        unlink(path);
        rmdir(drop_ins);
        rmdir(directory);
}

/* What a child gets, and makes of it. */
static int hand_on(void *userdata)
{
        struct config *config = NULL;
        _cleanup_(closep) int fd = -1;
        int r = config_to_memfd(userdata, &fd);

        if (r == 0)
                r = config_from_memfd(fd, &config);
        if (r == 0) {
                CU_ASSERT_EQUAL(config->n_tokens, 3);
                CU_ASSERT(config_token_equal(config_token(config, "hsm"), config_token(userdata, "hsm")));
        }
        config_free(config);
        return r;
}

static void test_hand_on(void)
{
        struct config *config = NULL;

        CU_ASSERT_EQUAL_FATAL(config_parse("f", GOOD, strlen(GOOD), count, &(unsigned){0}, &config), 0);
        alloc_fail_each(hand_on, config, -ENOMEM);
        config_free(config);
}

SUITE(config_no_memory, {"a configuration is read whole, or there is no memory", test_good},
        {"all faults are reported, or there is no memory", test_bad},
        {"all files are read, or there is no memory", test_load},
        {"a configuration is handed on whole, or there is no memory", test_hand_on});
