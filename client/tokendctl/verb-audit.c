/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokendctl audit verify: reads audit files in the order of their records. chain.c checks each line, the daemon checks each
 * signature, and audit-report.c says what is good, what is not, and what is not protected yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/tokendctl/audit-file.h"
#include "client/tokendctl/audit-report.h"
#include "client/tokendctl/audit-verbs.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/text.h"

#define PUBLIC_KEY_MAX 65536U
struct public_key {
        unsigned char *bytes; /* SubjectPublicKeyInfo, DER */
        size_t length;
};

struct verify {
        const struct ctl_options *o;
        struct tokend *handle;
        struct tokend_failure failure; /* why the daemon did not check a signature */
        struct public_key keys[8];     /* that may have signed */
        unsigned n_keys;
        bool own_key;         /* no key was named: the key is that of the first head */
        uint64_t written_seq; /* the daemon has written this record to one of the files; 0: not known */
        struct chain_check check;
        struct audit_report report;
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
                return usage("%s: the file has several public keys; give each in a file of its own", path);
        return r < 0 ? usage("%s: expected a public key in PEM or DER", path) : EXIT_DONE;
}

static int key_of_daemon(struct verify *v, const char *name, struct public_key *ret)
{
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;

        if (tokend_get(v->handle, name, v->o->timeout_ms, &key, &v->failure) != TOKEND_OK) {
                (void)refused_text(&v->failure);
                /* The file was not checked: this is not its fault. */
                return EXIT_UNREACHABLE;
        }
        ret->bytes = malloc(key->public_key_length + 1);
        if (!ret->bytes)
                return no_memory();
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
        /* The key, the algorithm and the signature do not fit together. */
        case TOKEND_ALGORITHM_NOT_SUPPORTED:
        case TOKEND_INVALID_PARAMETER:
        case TOKEND_INVALID_ARGUMENT:
                return CHAIN_BAD_SIGNATURE;
        default:
                return -EIO;
        }
}

/* ---- files ---- */

static int check_file(struct verify *v, const struct audit_file *file)
{
        static char buffer[CHAIN_LINE_MAX + 1];
        uint64_t n_line = 0, seq;
        size_t length;
        bool whole;
        int r;

        while ((r = audit_file_line(file->stream, buffer, sizeof(buffer), &length, &whole)) == 0) {
                n_line++;
                /* A line without its newline is not what was written, even if nothing else is missing. */
                r = chain_check_line(&v->check, buffer, whole ? length : length - 1, &seq);
                if (r < 0) {
                        complain("record %" PRIu64 " could not be checked", seq);
                        if (v->failure.error != TOKEND_OK)
                                (void)refused_text(&v->failure);
                        return EXIT_UNREACHABLE;
                }
                if (r == CHAIN_GOOD)
                        audit_report_good(&v->report, seq);
                else
                        audit_report_fault(
                                &v->report, &v->check, file->path, n_line, seq, (enum chain_fault)r);
        }
        if (r == 1)
                return EXIT_DONE;
        return usage("%s: %s", file->path, strerror(-r));
}

/* If one of the files is the one that the daemon writes, the daemon knows how far it must reach. A status that cannot
 * be had says nothing: the auditor may have no right to it. */
static void ask_written(struct verify *v, const struct audit_files *files)
{
        _cleanup_(tokend_closep) struct tokend *handle =
                tokend_open_status(v->o->status_socket, TOKEND_NO_WAIT);
        struct tokend_status *status;
        struct tokend_failure failure;
        struct stat written, given;

        if (!handle || tokend_status(handle, v->o->timeout_ms, &status, &failure) != TOKEND_OK)
                return;
        for (size_t i = 0; status->audit->file && stat(status->audit->file, &written) == 0 && i < files->n;
                i++)
                if (fstat(fileno(files->list[i].stream), &given) == 0 && given.st_ino == written.st_ino &&
                        given.st_dev == written.st_dev && status->audit->seq > 0)
                        v->written_seq = (uint64_t)status->audit->seq;
        tokend_status_free(status);
}

/* Whether all records are there that the command line asks for. */
static bool is_complete(const struct verify *v)
{
        const struct chain_check *check = &v->check;
        uint64_t expected = MAX_OF(v->o->expect_seq, v->written_seq);
        bool complete = true;

        if (v->o->first_seq > 0 && !check->removed_seq &&
                (check->first_seq == 0 || check->first_seq > v->o->first_seq)) {
                complain("the records begin with %" PRIu64 ", not with %" PRIu64 " or before",
                        check->first_seq, v->o->first_seq);
                complete = false;
        }
        if (check->last_seq < expected) {
                complain("the records end with %" PRIu64 ", but %" PRIu64 " was written: the end was cut off",
                        check->last_seq, expected);
                complete = false;
        }
        return complete;
}

static void say_end(struct verify *v, bool complete, bool good)
{
        struct audit_verdict verdict = {.complete = complete, .good = good, .key_named = !v->own_key};
        unsigned char digest[32];
        char key[2 * sizeof(digest) + 1];

        if (v->own_key && v->n_keys > 0 && hash_sha256(v->keys[0].bytes, v->keys[0].length, digest) == 0) {
                text_hex(digest, sizeof(digest), key);
                verdict.key = key;
        }
        audit_report_end(&v->report, &v->check, &verdict);
}

static int check_files(struct verify *v, const struct audit_files *files)
{
        int r = EXIT_DONE;
        bool good;

        if (!v->o->no_signatures)
                ask_written(v, files);
        audit_report_begin(&v->report);
        for (size_t i = 0; r == EXIT_DONE && i < files->n; i++)
                r = check_file(v, &files->list[i]);
        if (v->check.last_seq == 0 && r == EXIT_DONE)
                complain("the files have no record");
        good = r == EXIT_DONE && v->check.n_faults == 0 && is_complete(v) && v->check.last_seq > 0;
        say_end(v, r == EXIT_DONE, good);
        return r != EXIT_DONE ? r : good ? EXIT_DONE : EXIT_REFUSED;
}

static int verify_files(struct verify *v)
{
        struct audit_files files = {0};
        int r = audit_files_open(v->o, &files);

        if (r == EXIT_DONE)
                r = check_files(v, &files);
        audit_files_done(&files);
        return r;
}

static int verify(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct verify v = {
                .o = o, .check = {.sha256 = hash_sha256, .userdata = &v}, .report = {.json = o->json}};
        int r;

        if (o->no_signatures && o->n_audit_keys > 0)
                return usage("with --no-signatures, give neither --key nor --pubkey");
        if (!o->no_signatures) {
                handle = open_main(o);
                if (!handle)
                        return EXIT_USAGE;
                v.handle = handle;
                v.check.signature = ask_signature;
        }
        r = take_keys(&v);
        if (r == EXIT_DONE)
                r = verify_files(&v);
        for (unsigned i = 0; i < ARRAY_SIZE(v.keys); i++)
                free(v.keys[i].bytes);
        chain_check_done(&v.check);
        return r;
}

int verb_audit(const struct ctl_options *o)
{
        const char *word = o->arguments[0];

        if (strcmp(word, "show") == 0)
                return audit_show(o);
        if (strcmp(word, "rotate") == 0)
                return audit_rotate(o);
        return strcmp(word, "verify") == 0 ? verify(o) : usage("usage: tokendctl audit show|verify|rotate");
}
