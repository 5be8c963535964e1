/* SPDX-License-Identifier: MPL-2.0 */
/*
 * audit verify: reads audit files in the order of their records, has chain.c check each line and the daemon
 * each signature, and says what is good, what is not, and what is not protected yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/chain.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/text.h"

#define PUBLIC_KEY_MAX 65536U
/* Lines of faults that are written out; all are counted. */
#define FAULTS_SHOWN 100U
/* A last line without its end: tokend-audit may be writing it. How often, and how long (us), it is looked at
 * again. */
#define GROW_TRIES   20
#define GROW_WAIT_US 50000

struct audit_file {
        const char *path;
        FILE *stream;
        uint64_t first_seq;
};

struct public_key {
        unsigned char *bytes; /* SubjectPublicKeyInfo, DER */
        size_t length;
};

struct verify {
        const struct options *o;
        struct tokend *handle;
        struct tokend_failure failure; /* why a signature could not be asked about */
        struct public_key keys[8];
        unsigned n_keys;
        bool own_key; /* none was named: the key is that of the first head */
        struct chain_check check;
        uint64_t good_from, good_to; /* the present run of good records; 0: none */
        bool printed;                /* a line of JSON's lists */
};

/* ---- keys ---- */

static int key_of_file(const char *path, struct public_key *ret)
{
        _cleanup_(freep) unsigned char *bytes = NULL;
        size_t length;
        int r = file_read(path, PUBLIC_KEY_MAX, &bytes, &length);

        if (r < 0)
                return usage("%s: %s", path, strerror(-r));
        r = pem_read("PUBLIC KEY", bytes, length, &ret->bytes, &ret->length);
        if (r == -E2BIG)
                return usage("%s: several public keys: give --pubkey for each", path);
        return r < 0 ? usage("%s: no public key, PEM or DER", path) : EXIT_DONE;
}

static int key_of_daemon(struct verify *v, const char *name, struct public_key *ret)
{
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;

        if (tokend_get(v->handle, name, v->o->timeout_ms, &key, &v->failure) != TOKEND_OK) {
                (void)refused(&v->failure);
                /* Not the file's fault: it was not checked. */
                return EXIT_UNREACHABLE;
        }
        ret->bytes = malloc(key->public_key_length);
        if (!ret->bytes)
                return EXIT_UNREACHABLE;
        memcpy(ret->bytes, key->public_key, key->public_key_length);
        ret->length = key->public_key_length;
        return EXIT_DONE;
}

static int take_keys(struct verify *v)
{
        for (unsigned i = 0; i < v->o->n_audit_keys; i++) {
                const struct audit_key *key = &v->o->audit_keys[i];
                int r = key->name ? key_of_daemon(v, key->name, &v->keys[i])
                                  : key_of_file(key->file, &v->keys[i]);

                if (r != EXIT_DONE)
                        return r;
                v->n_keys++;
        }
        v->own_key = v->n_keys == 0;
        return EXIT_DONE;
}

static bool key_allowed(struct verify *v, const struct chain_head *head)
{
        for (unsigned i = 0; i < v->n_keys; i++)
                if (v->keys[i].length == head->public_key_length &&
                        memcmp(v->keys[i].bytes, head->public_key, head->public_key_length) == 0)
                        return true;
        if (!v->own_key || v->n_keys > 0)
                return false;
        v->keys[0].bytes = malloc(head->public_key_length + 1);
        if (!v->keys[0].bytes)
                return false;
        memcpy(v->keys[0].bytes, head->public_key, head->public_key_length);
        v->keys[0].length = head->public_key_length;
        v->n_keys = 1;
        return true;
}

static int ask_signature(void *userdata, const struct chain_head *head)
{
        struct verify *v = userdata;
        bool valid = false;

        if (!key_allowed(v, head))
                return CHAIN_OTHER_KEY;
        switch (tokend_verify_with(v->handle, head->public_key, head->public_key_length, head->algorithm,
                TOKEND_MESSAGE, head->message, head->message_length, head->signature, head->signature_length,
                v->o->timeout_ms, &valid, &v->failure)) {
        case TOKEND_OK:
                return valid ? CHAIN_GOOD : CHAIN_BAD_SIGNATURE;
        /* The daemon cannot make sense of key, algorithm and signature: neither could anyone. */
        case TOKEND_ALGORITHM_NOT_SUPPORTED:
        case TOKEND_INVALID_PARAMETER:
        case TOKEND_INVALID_ARGUMENT:
                return CHAIN_BAD_SIGNATURE;
        default:
                return -EIO;
        }
}

/* ---- what is said ---- */

static void say_range(struct verify *v)
{
        if (v->good_from == 0 || v->o->json) {
                v->good_from = 0;
                return;
        }
        printf("records %" PRIu64 " to %" PRIu64 " are good\n", v->good_from, v->good_to);
        v->good_from = 0;
}

static void say_fault(struct verify *v, const char *path, uint64_t line, uint64_t seq, int fault)
{
        _cleanup_(freep) char *escaped = terminal_escape(path);
        char missing[80] = "";

        say_range(v);
        if (v->check.n_faults > FAULTS_SHOWN)
                return;
        if (fault == CHAIN_MISSING)
                (void)snprintf(missing, sizeof(missing), " (%" PRIu64 " to %" PRIu64 ")",
                        v->check.missing_from, seq - 1);
        if (v->o->json) {
                printf("%s\n  {\"file\":", v->printed ? "," : "");
                json_string_print(stdout, path);
                printf(",\"line\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"fault\":", line, seq);
                json_string_print(stdout, chain_fault_text((enum chain_fault)fault));
                if (fault == CHAIN_MISSING)
                        printf(",\"missingFrom\":%" PRIu64 ",\"missingTo\":%" PRIu64, v->check.missing_from,
                                seq - 1);
                printf("}");
                v->printed = true;
                return;
        }
        printf("%s:%" PRIu64 ": ", escaped ? escaped : "?", line);
        if (seq > 0)
                printf("record %" PRIu64 ": ", seq);
        printf("%s%s\n", chain_fault_text((enum chain_fault)fault), missing);
}

static void note_good(struct verify *v, uint64_t seq)
{
        if (v->good_from == 0)
                v->good_from = seq;
        v->good_to = seq;
}

static void print_key(const struct verify *v)
{
        unsigned char digest[32];
        char hex[2 * sizeof(digest) + 1];

        if (!v->own_key || v->n_keys == 0 || hash_sha256(v->keys[0].bytes, v->keys[0].length, digest) < 0)
                return;
        text_hex(digest, sizeof(digest), hex);
        printf("the heads are signed with the key that the file itself names; name yours with --key or "
               "--pubkey.\n"
               "SHA-256 of that public key: %s\n",
                hex);
}

static void print_protection(const struct chain_check *check, bool asked)
{
        if (!asked)
                printf("signatures were not checked\n");
        else if (check->signed_seq == 0)
                printf("no head is signed: nothing here is protected against a rewrite of the whole\n");
        else
                printf("signed up to record %" PRIu64 ", at %s; %" PRIu64 " signatures are good\n",
                        check->signed_seq, check->signed_time, check->n_heads);
        if (asked && check->signed_seq > 0 && check->last_seq > check->signed_seq)
                printf("records %" PRIu64 " to %" PRIu64
                       " come after the last signed head: not yet protected against a cut or a rewrite\n",
                        check->signed_seq + 1, check->last_seq);
}

/* Whether the records that were asked for are all there; says what is not. */
static bool is_complete(const struct verify *v)
{
        const struct chain_check *check = &v->check;
        bool complete = true;

        if (v->o->first_seq > 0 && (check->first_seq == 0 || check->first_seq > v->o->first_seq)) {
                complain("the records begin with %" PRIu64 ", not with %" PRIu64 " or before",
                        check->first_seq, v->o->first_seq);
                complete = false;
        }
        if (check->last_seq < v->o->expect_seq) {
                complain("the records end with %" PRIu64 ", but %" PRIu64 " was written: the end was cut off",
                        check->last_seq, v->o->expect_seq);
                complete = false;
        }
        return complete;
}

/* checked: to the end. */
static void print_summary(struct verify *v, bool checked, bool good)
{
        const struct chain_check *check = &v->check;

        if (v->o->json) {
                printf("%s],\n \"good\":%s,\"records\":%" PRIu64 ",\"faultCount\":%" PRIu64
                       ",\"firstSeq\":%" PRIu64 ",\"lastSeq\":%" PRIu64 ",\"signedSeq\":%" PRIu64
                       ",\"heads\":%" PRIu64 ",\"keyNamed\":%s}\n",
                        v->printed ? "\n " : "", good ? "true" : "false", check->n_records, check->n_faults,
                        check->first_seq, check->last_seq, check->signed_seq, check->n_heads,
                        v->o->n_audit_keys > 0 ? "true" : "false");
                return;
        }
        say_range(v);
        if (!checked)
                return;
        if (check->n_faults > FAULTS_SHOWN)
                printf("... and %" PRIu64 " more\n", check->n_faults - FAULTS_SHOWN);
        if (check->first_seq > 1)
                printf("records 1 to %" PRIu64 " are in files that were not given\n", check->first_seq - 1);
        print_protection(check, check->signature != NULL);
        print_key(v);
        printf("%s\n", good ? "GOOD" : "NOT GOOD");
}

/* ---- files ---- */

/* A line of up to size bytes without its newline; what is longer is read over, and *ret_length is size. 1:
 * the end. *ret_whole: it had its newline. */
static int read_line(FILE *stream, char *buffer, size_t size, size_t *ret_length, bool *ret_whole)
{
        size_t length = 0;
        int tries = 0, c;

        for (;;) {
                c = getc_unlocked(stream);
                if (c == '\n' || (c == EOF && (ferror(stream) || length == 0 || tries == GROW_TRIES)))
                        break;
                if (c == EOF) {
                        clearerr(stream);
                        (void)usleep(GROW_WAIT_US);
                        tries++;
                        continue;
                }
                if (length < size)
                        buffer[length++] = (char)c;
        }
        if (ferror(stream))
                return -errno;
        *ret_length = length;
        *ret_whole = c == '\n';
        return c == EOF && length == 0 ? 1 : 0;
}

static int check_file(struct verify *v, struct audit_file *file)
{
        static char buffer[CHAIN_LINE_MAX + 1];
        uint64_t n_line = 0, seq;
        size_t length;
        bool whole;
        int r;

        while ((r = read_line(file->stream, buffer, sizeof(buffer), &length, &whole)) == 0) {
                n_line++;
                /* Without its newline it is not what was written, even if nothing else is missing. */
                r = chain_check_line(&v->check, buffer, whole ? length : length - 1, &seq);
                if (r < 0) {
                        complain("record %" PRIu64 " could not be checked", seq);
                        if (v->failure.error != TOKEND_OK)
                                (void)refused(&v->failure);
                        return EXIT_UNREACHABLE;
                }
                if (r == CHAIN_GOOD)
                        note_good(v, seq);
                else
                        say_fault(v, file->path, n_line, seq, r);
        }
        if (r == 1)
                return EXIT_DONE;
        return usage("%s: %s", file->path, strerror(-r));
}

/* By the number of the first record that has one. */
static int open_file(struct audit_file *file)
{
        static char buffer[CHAIN_LINE_MAX + 1];
        size_t length;
        bool whole;

        file->stream = fopen(file->path, "re");
        if (!file->stream)
                return usage("%s: %s", file->path, strerror(errno));
        for (int i = 0; i < 100 && file->first_seq == 0; i++) {
                int r = read_line(file->stream, buffer, sizeof(buffer), &length, &whole);

                if (r < 0)
                        return usage("%s: %s", file->path, strerror(-r));
                if (r == 1)
                        break;
                file->first_seq = chain_line_seq(buffer, length);
        }
        rewind(file->stream);
        return EXIT_DONE;
}

static int by_seq(const void *a, const void *b)
{
        const struct audit_file *x = a, *y = b;

        return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

static int check_files(struct verify *v, struct audit_file *files, unsigned n)
{
        int r = EXIT_DONE;
        bool good;

        for (unsigned i = 0; r == EXIT_DONE && i < n; i++)
                r = open_file(&files[i]);
        if (r != EXIT_DONE)
                return r;
        qsort(files, n, sizeof(*files), by_seq);
        if (v->o->json)
                printf("{\"faults\":[");
        for (unsigned i = 0; r == EXIT_DONE && i < n; i++)
                r = check_file(v, &files[i]);
        if (v->check.last_seq == 0 && r == EXIT_DONE)
                complain("no record in any file");
        good = r == EXIT_DONE && v->check.n_faults == 0 && is_complete(v) && v->check.last_seq > 0;
        print_summary(v, r == EXIT_DONE, good);
        return r != EXIT_DONE ? r : good ? EXIT_DONE : EXIT_REFUSED;
}

static int verify_files(struct verify *v)
{
        unsigned n = v->o->n_arguments - 1;
        _cleanup_(freep) struct audit_file *files = calloc(n, sizeof(*files));
        int r;

        if (!files)
                return EXIT_UNREACHABLE;
        for (unsigned i = 0; i < n; i++)
                files[i].path = v->o->arguments[i + 1];
        r = check_files(v, files, n);
        for (unsigned i = 0; i < n; i++)
                if (files[i].stream)
                        fclose(files[i].stream);
        return r;
}

int verb_audit(const struct options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct verify v = {.o = o, .check = {.sha256 = hash_sha256, .userdata = &v}};
        int r;

        if (strcmp(o->arguments[0], "verify") != 0)
                return usage("usage: tokendctl audit verify FILE...");
        if (o->no_signatures && o->n_audit_keys > 0)
                return usage("--no-signatures goes with neither --key nor --pubkey");
        if (!o->no_signatures) {
                handle = open_main(o);
                if (!handle)
                        return EXIT_USAGE;
                v.handle = handle;
                v.check.signature = ask_signature;
        }
        if (hash_begin() < 0) {
                complain("NSS cannot hash here");
                return EXIT_UNREACHABLE;
        }
        r = take_keys(&v);
        if (r == EXIT_DONE)
                r = verify_files(&v);
        for (unsigned i = 0; i < ARRAY_SIZE(v.keys); i++)
                free(v.keys[i].bytes);
        chain_check_done(&v.check);
        hash_end();
        return r;
}
