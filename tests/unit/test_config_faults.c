/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/config: every fault is one line FILE:LINE:, all of them are told, and none repeats a secret. */
#include "daemon/config/config.h"

#include <stdio.h>
#include <string.h>

#include "proto/limits.h"
#include "tests/unit/suite.h"

struct faults {
        unsigned n;
        char text[65536];
};

static void note(void *userdata, const char *line)
{
        struct faults *faults = userdata;
        size_t length = strlen(faults->text);

        faults->n++;
        snprintf(faults->text + length, sizeof(faults->text) - length, "%s\n", line);
}

static int parse(const char *text, size_t length, struct faults *faults)
{
        _cleanup_(config_freep) struct config *config = NULL;

        *faults = (struct faults){0};
        return config_parse("f", text, length, note, faults, &config);
}

#define TOKEN    "[Token t]\nModule=/x.so\n"
#define INTERNAL "[Token t]\nModule=internal\n"
#define ACCEL    "[Token a]\nModule=/y.so\nRole=accelerator\n"
#define INSTANCE "[Instance i]\nUser=0\nKeys=*\n"

/* Exactly one fault each, in that line, with that in its text. */
static const struct {
        const char *text;
        unsigned line;
        const char *says;
} cases[] = {
        /* lines */
        {"[Daemon\n", 1, "bracket"},
        {"[]\n", 1, "unknown section []"},
        {"[Colour]\n", 1, "unknown section [Colour]"},
        {"[Colour red]\nA=1\n", 1, "unknown section"},
        {"Socket=/x\n", 1, "before the first [Section]"},
        {"[Daemon]\nSocket\n", 2, "Key=Value"},
        {"[Daemon]\n=/x\n", 2, "Key=Value"},
        {"[Daemon]\n# one\n  ; two\n\nColour=red\n", 5, "unknown key Colour= in section [Daemon]"},
        {"[Daemon]\nsocket=/x\n", 2, "unknown key socket="},
        {"[Daemon]\nSocket=/a\nSocket=/b\n", 3, "f:2"},
        {"[Daemon]\nSocket=\n", 2, "no value"},
        {"[Daemon]\nSocket=   \n", 2, "no value"},
        {"[Daemon]\nSocket=/a\xff\n", 2, "UTF-8"},
        {"[Daemon]\nSocket=/a\\\n/b\n", 3, "Key=Value"},
        {TOKEN "Environment=\n", 3, "no value"},
        /* heads */
        {"[Daemon x]\n", 1, "must not have a name"},
        {"[Daemon]\n[Daemon]\n", 2, "f:1"},
        {"[Token]\nModule=internal\n", 1, "[Token NAME]"},
        {"[Instance]\nUser=0\nKeys=*\n", 1, "[Instance NAME]"},
        {TOKEN "[Token u]\nModule=internal\n" TOKEN, 5, "f:1"},
        {INSTANCE INSTANCE, 4, "f:1"},
        {"[Token a:b]\nModule=internal\n", 1, "colon"},
        {"[Token a/b]\nModule=internal\n", 1, "slash"},
        {"[Token a b]\nModule=internal\n", 1, "white space"},
        {"[Token ..]\nModule=internal\n", 1, "dot"},
        {"[Token pkcs11]\nModule=internal\n", 1, "URI"},
        {"[Token sealed]\nModule=internal\n", 1, "sealed key"},
        {"[Token a\x01]\nModule=internal\n", 1, "control"},
        {"[Token 12345678901234567890123456789012345678901234567890123456789012345]\nModule=internal\n", 1,
                "64"},
        /* [Daemon] */
        {"[Daemon]\nSocket=x\n", 2, "absolute"},
        {"[Daemon]\nSocket=/x/\n", 2, "absolute"},
        {"[Daemon]\nStateDirectory=x\n", 2, "absolute"},
        {"[Daemon]\nSocket=/"
         "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "01234567"
         "\n",
                2, "107"},
        {"[Daemon]\nStatusSocket=/x\nSocket=/x\n", 3, "differ"},
        {"[Daemon]\nSocket=/run/tokend/status.sock\n", 2, "differ"},
        /* [Token] */
        {"[Daemon]\nAudit=file\n", 2, "Audit= must be"},
        {"[Daemon]\nAudit=file:log\n", 2, "ABSOLUTE"},
        {"[Daemon]\nAudit=file:/log/\n", 2, "ABSOLUTE"},
        {"[Daemon]\nAudit=syslog\n", 2, "journal"},
        {"[Daemon]\nAuditRequired=maybe\n", 2, "`yes` or `no`, not `maybe`"},
        {"[Daemon]\nAudit=none\nAuditRequired=yes\n", 3, "cannot be used with Audit=none"},
        {"[Daemon]\nauditrequired=yes\n", 2, "did you mean AuditRequired=?"},
        {"[Daemon]\nMaxMemory=1M\n", 2, "from 16M to 1024G, not `1M`"},
        {"[Daemon]\nAudit=file:/log\nAuditKey=key\n", 3, "token:nickname"},
        {"[Daemon]\nAudit=file:/log\nAuditKey=internal:\n", 3, "token:nickname"},
        {"[Daemon]\nAudit=file:/log\nAuditKey=hsm:key\n", 3, "[Token hsm] does not exist"},
        {"[Daemon]\nAuditKey=internal:key\n", 2, "file:PATH only"},
        {"[Daemon]\nAudit=file:/log\nAuditKey=a:key\n[Token a]\nModule=/x.so\nRole=accelerator\n", 3,
                "Role=accelerator"},
        {"[Daemon]\nAuditSignInterval=0\n", 2, "duration"},
        {"[Daemon]\nAuditKeep=10h\n", 2, "days"},
        {"[Daemon]\nAuditKeep=101y\n", 2, "days"},
        {"[Daemon]\nAuditRotateSize=1K\n", 2, "4K"},
        {"[Daemon]\nAuditRotateSize=1x\n", 2, "4K"},
        {"[Daemon]\nAuditRotateSize=1KB\n", 2, "4K"},
        {"[Daemon]\nAuditRotateSize=99999999999999999999\n", 2, "4K"},
        {"[Daemon]\nAuditRotateSize=18446744073709551615T\n", 2, "4K"},
        {"[Token t]\nSessions=4\n", 1, "needs Module="},
        {"[Token t]\nModule=x.so\n", 2, "Module= must be"},
        {"[Token t]\nModule=\"/x.so\n", 2, "quote"},
        {"[Token t]\nModule=\"/x.so\" y\n", 2, "quote"},
        {TOKEN "Directory=/x\n", 3, "internal"},
        {INTERNAL "Directory=x\n", 3, "absolute"},
        {INTERNAL "Uri=pkcs11:token=x\n", 3, "internal"},
        {TOKEN "Uri=http://x\n", 3, "RFC 7512"},
        {TOKEN "Uri=pkcs11:token=x;token=y\n", 3, "RFC 7512"},
        {TOKEN "Uri=pkcs11:token=x?pin-value=1\n", 3, "query"},
        {TOKEN "Uri=pkcs11:object=x\n", 3, "object names an object"},
        {TOKEN "Uri=pkcs11:token=x;id=%01\n", 3, "id names an object"},
        {TOKEN "Uri=pkcs11:x-der-tail=%01\n", 3, "x-der-tail names an object"},
        {TOKEN "Uri=pkcs11:token=x;x-vendor=1\n", 3, "x-vendor is not known"},
        {TOKEN "Uri=pkcs11:token=x;slot-id=y\n", 3, "slot-id must be a number"},
        {TOKEN "Pin=1234\n", 3, "credential:NAME"},
        {TOKEN "Pin=file:pin\n", 3, "credential:NAME"},
        {TOKEN "Pin=credential:\n", 3, "credential:NAME"},
        {TOKEN "Pin=credential:a/b\n", 3, "credential:NAME"},
        {TOKEN "Environment=novalue\n", 3, "NAME=VALUE"},
        {TOKEN "Environment=A=1 =2\n", 3, "NAME=VALUE"},
        {TOKEN "Environment=1A=1\n", 3, "NAME=VALUE"},
        {TOKEN "Environment=\"A=1\n", 3, "quote"},
        {TOKEN "Sessions=many\n", 3, "from 2 to 256, not `many`"},
        {TOKEN "Sessions=-1\n", 3, "number"},
        {TOKEN "Sessions=+4\n", 3, "number"},
        {TOKEN "Sessions=4 # of them\n", 3, "number"},
        {TOKEN "Sessions=99999999999999999999\n", 3, "number"},
        {TOKEN "Sessions=4294967300\n", 3, "number"},
        {TOKEN "Timeout=soon\n", 3, "duration"},
        {TOKEN "Timeout=3parsecs\n", 3, "duration"},
        {TOKEN "Timeout=0\n", 3, "duration"},
        {TOKEN "GenerateTimeout=-1s\n", 3, "duration"},
        {TOKEN "StartTimeout=25h\n", 3, "from 100ms to 24h"},
        {TOKEN "Timeout=1us\n", 3, "from 100ms to 24h"},
        {TOKEN "GenerateTimeout=99ms\n", 3, "from 100ms to 24h"},
        {TOKEN "StartTimeout=99ms\n", 3, "from 100ms to 24h"},
        {TOKEN "Refresh=1us\n", 3, "from 100ms to 24h"},
        {TOKEN "KeepAlive=1us\n", 3, "from 100ms to 24h"},
        {"[Daemon]\nAuditSignInterval=1us\n", 2, "from 100ms to 24h"},
        {TOKEN "Refresh=1.s\n", 3, "duration"},
        {TOKEN "KeepAlive=infinity\n", 3, "duration"},
        {TOKEN "Role=king\n", 3, "accelerator"},
        {TOKEN "AcceleratedKeys=0\n", 3, "from 1 to 65536"},
        {TOKEN "AcceleratedKeys=65537\n", 3, "from 1 to 65536"},
        {TOKEN "Accelerator=nowhere\n", 3, "[Token nowhere] does not exist"},
        {TOKEN "Accelerator=t\n", 3, "another"},
        {TOKEN "Accelerator=u\n[Token u]\nModule=/y.so\n", 3, "Role=accelerator"},
        /* [Instance] */
        {"[Instance i]\nKeys=*\n", 1, "User="},
        {"[Instance i]\nUser=0\n", 1, "Keys="},
        {"[Instance i]\nUser=0\nKeys=\"a\n", 3, "quote"},
        {"[Instance i]\nUser=0\nKeys=a \"\"\n", 3, "globs"},
        {"[Instance i]\nUser=no-such-user-here\nKeys=*\n", 2, "user"},
        {"[Instance i]\nUser=4294967295\nKeys=*\n", 2, "user"},
        {"[Instance i]\nGroup=no-such-group-here\nKeys=*\n", 2, "group"},
        {"[Instance i]\nUnit=a/b\nKeys=*\n", 2, "unit"},
        {"[Instance i]\nUnit=x\nKeys=*\n", 2, "whole name"},
        {"[Instance i]\nUnit=.service\nKeys=*\n", 2, "whole name"},
        {"[Instance i]\nUnit=x.services\nKeys=*\n", 2, "whole name"},
        {"[Instance i]\nUnit=x@*.service\nKeys=*\n", 2, "whole name"},
        {INSTANCE "Allow=list fly\n", 4, "a list of: check decrypt "},
        {INSTANCE "Token=nowhere\n", 4, "[Token nowhere] does not exist"},
        {INSTANCE "Token=a\n" ACCEL, 4, "accelerator"},
        {TOKEN INSTANCE "OtherTokens=t nowhere\n", 6, "[Token nowhere] does not exist"},
        {INSTANCE "Weight=0\n", 4, "from 1 to 10000"},
        {INSTANCE "Weight=10001\n", 4, "from 1 to 10000"},
        {INSTANCE "MaxQueued=0\n", 4, "from 1 to 65536"},
        {INSTANCE "MaxQueued=65537\n", 4, "from 1 to 65536"},
        {INSTANCE "MaxConnections=0\n", 4, "from 1 to 65536"},
        {INSTANCE "MaxConnections=65537\n", 4, "from 1 to 65536"},
};

static void test_each(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct faults faults;
                char place[32];
                int r = parse(cases[i].text, strlen(cases[i].text), &faults);
                bool good;

                snprintf(place, sizeof(place), "f:%u: ", cases[i].line);
                good = r == 1 && faults.n == 1 && strncmp(faults.text, place, strlen(place)) == 0 &&
                       strstr(faults.text, cases[i].says);
                if (!good)
                        printf("\n%s--> %d, %u: %s", cases[i].text, r, faults.n, faults.text);
                CU_ASSERT(good);
        }
}

static void test_all_at_once(void)
{
        static const char text[] = "[Daemon]\nA=1\nB=2\n[Nonsense]\n[Token t]\nModule=internal\nSessions=x\n";
        struct faults faults;

        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 1);
        CU_ASSERT_EQUAL(faults.n, 4);
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:2: "));
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:3: "));
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:4: "));
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:7: "));
}

static void test_nul(void)
{
        static const char text[] = "[Daemon]\nSocket=/a\0b\nColour=red\n";
        struct faults faults;

        CU_ASSERT_EQUAL(parse(text, sizeof(text) - 1, &faults), 1);
        CU_ASSERT_EQUAL(faults.n, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:2: "));
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:3: "));
}

static void test_no_secret(void)
{
        static const char *const texts[] = {
                TOKEN "Pin=hunter2\n",
                TOKEN "hunter2\n",
                TOKEN "Uri=pkcs11:token=t?pin-value=hunter2\n",
                TOKEN "Environment=hunter2\n",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct faults faults;

                CU_ASSERT_EQUAL(parse(texts[i], strlen(texts[i]), &faults), 1);
                CU_ASSERT_PTR_NULL(strstr(faults.text, "hunter2"));
        }
}

/* A section named twice still has its values looked at, and counts for nothing. */
static void test_twice_with_faults(void)
{
        static const char text[] = TOKEN "[Token t]\nSessions=x\n";
        struct faults faults;

        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 1);
        CU_ASSERT_EQUAL(faults.n, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:3: "));
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:4: "));
}

static void tokens(char *text, size_t size, unsigned n)
{
        for (unsigned i = 0, at = 0; i < n; i++)
                at += (unsigned)snprintf(
                        text + at, size - at, "[Token t%u]\nModule=internal\nDirectory=/x/%u\n", i, i);
}

static void instances(char *text, size_t size, unsigned n)
{
        for (unsigned i = 0, at = 0; i < n; i++)
                at += (unsigned)snprintf(text + at, size - at, "[Instance i%u]\nUser=%u\nKeys=*\n", i, i);
}

static void test_sections(void)
{
        static char text[65536];
        struct faults faults;

        tokens(text, sizeof(text), LIMIT_SECTIONS);
        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 0);
        tokens(text, sizeof(text), LIMIT_SECTIONS + 1);
        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 1);
        CU_ASSERT_EQUAL(faults.n, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:193: "));
        instances(text, sizeof(text), LIMIT_SECTIONS);
        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 0);
        instances(text, sizeof(text), LIMIT_SECTIONS + 1);
        CU_ASSERT_EQUAL(parse(text, strlen(text), &faults), 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(faults.text, "f:193: "));
}

/* Cut anywhere, or with any byte changed, a good text is read or refused, and nothing else (ASan looks on).
 */
static void test_hostile(void)
{
        static const char good[] =
                "[Token t]\nModule=/x.so\nEnvironment=\"A=\\\"1\" B=2\nTimeout=1min 30s\n" INSTANCE;
        char text[sizeof(good)];
        struct faults faults;

        for (size_t length = 0; length < sizeof(good); length++) {
                int r = parse(good, length, &faults);

                CU_ASSERT(r == 0 || (r == 1 && faults.n > 0));
        }
        for (size_t i = 0; i < sizeof(good) - 1; i++)
                for (unsigned byte = 0; byte < 256; byte += 5) {
                        int r;

                        memcpy(text, good, sizeof(good));
                        text[i] = (char)byte;
                        r = parse(text, sizeof(good) - 1, &faults);
                        CU_ASSERT(r == 0 || (r == 1 && faults.n > 0));
                }
}

SUITE(config_faults, {"each fault is one line with its place and what would be right", test_each},
        {"all faults are told", test_all_at_once}, {"a NUL byte is a fault of its line", test_nul},
        {"what may be a secret is not repeated", test_no_secret},
        {"a section named twice is looked at all the same", test_twice_with_faults},
        {"LIMIT_SECTIONS of each kind, and not one more", test_sections},
        {"a text cut or changed anywhere is read or refused", test_hostile});
