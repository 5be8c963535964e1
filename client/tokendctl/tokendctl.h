/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of tokendctl share: the options, the verbs, and how things are written for people and
 * programs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tokend.h"
#include "daemon/util/macros.h"

/* Of the program; tokendctl(1). */
enum {
        EXIT_DONE = 0,
        EXIT_REFUSED = 1,     /* the daemon said no, or a signature is not good */
        EXIT_USAGE = 2,       /* the command line, or a file that it names */
        EXIT_UNREACHABLE = 3, /* the daemon could not be asked, or the answer not be written */
};

/* What the command line says. Absent strings are NULL. */
struct options {
        const char *socket, *status_socket;
        bool json;
        int timeout_ms; /* 0: the library's own */

        const char *type, *curve, *usage, *algorithm, *digest, *in, *out, *signature;
        int size;
        bool loadable, base64, der, yes, watch;

        /* Of audit: the keys that may have signed, `--key` and `--pubkey` in the order they were given. */
        struct audit_key {
                const char *name; /* of a key, or */
                const char *file;
        } audit_keys[8];
        unsigned n_audit_keys;
        uint64_t first_seq, expect_seq; /* 0: not given */
        bool no_signatures;

        /* Of the verbs for certificates. */
        const char *subject, *nickname, *subsystem, *instance, *claimant;
        const char *dns_names[64]; /* the daemon's limit */
        unsigned n_dns_names;
        int days; /* 0: not given */
        bool ca, pem;

        char **arguments; /* behind the verb */
        unsigned n_arguments;
};

/* ---- the verbs: each returns an exit status, and has said what is wrong ---- */

int verb_list(const struct options *o);
int verb_generate(const struct options *o);
int verb_pubkey(const struct options *o);
int verb_delete(const struct options *o);
int verb_sign(const struct options *o);
int verb_verify(const struct options *o);
int verb_random(const struct options *o);
int verb_certs(const struct options *o);
int verb_request(const struct options *o);
int verb_self_sign(const struct options *o);
int verb_import(const struct options *o);
int verb_delete_cert(const struct options *o);
int verb_check(const struct options *o);
int verb_remove_claim(const struct options *o);
int verb_status(const struct options *o);
int verb_metrics(const struct options *o);
int verb_probe(const struct options *o);
int verb_audit(const struct options *o);

/* ---- main.c ---- */

/* A line on standard error. usage() returns EXIT_USAGE. */
void complain(const char *format, ...) _printf_(1, 2);
int usage(const char *format, ...) _printf_(1, 2);

/* Says what the library said, and returns the exit status for it. */
int refused(const struct tokend_failure *failure);

/* "token:nickname" to its parts; *ret_token NULL where it names none, else the caller frees it. A new nickname has no colon:
 * what stands before one can only be a token. EXIT_USAGE: a URI, has complained. EXIT_UNREACHABLE: no memory. */
int split_name(const char *name, char **ret_token, const char **ret_nickname);

/* A handle for the main or the status socket; NULL: has complained, EXIT_USAGE. */
struct tokend *open_main(const struct options *o);
struct tokend *open_status(const struct options *o);

/* ---- terminal.c ---- */

/* "3d 4h", "12min", "5s" into buffer, of microseconds. */
void duration_format(int64_t usec, char *buffer, size_t size);

/* A latency: "850us", "12.3ms", "1.2s"; "-" for none. */
void latency_format(int64_t usec, char *buffer, size_t size);

/* For a terminal: control characters, what turns the direction of text, and what is not UTF-8 as \xNN. The
 * caller frees; NULL: no memory. */
char *terminal_escape(const char *text);

/* Columns that text takes on a terminal. */
size_t terminal_width(const char *text);

/* A string of JSON, with its quotes. */
void json_string_print(FILE *to, const char *text);

/* ---- pem.c ---- */

/* base64 in lines of 64 characters between BEGIN and END. label: "PUBLIC KEY". -ENOMEM. */
int pem_write(FILE *to, const char *label, const void *der, size_t length);

/* The bytes of a file that holds one block of PEM with this label, whatever stands around it; or DER (a SEQUENCE) as it is.
 * The caller frees *ret. -EINVAL: the file holds neither; -E2BIG: it holds several blocks; -ENOMEM. */
int pem_read(
        const char *label, const unsigned char *file, size_t length, unsigned char **ret, size_t *ret_length);

/* The bytes of hexadecimal digits of either case. The caller frees *ret. -EINVAL: this is something else; -ENOMEM. */
int hex_parse(const char *text, unsigned char **ret, size_t *ret_length);

/* ---- table.c ---- */

/* Rows of cells, aligned by their width; numbers to the right. */
struct table {
        const char *const *heads; /* a '>' first: to the right */
        unsigned n_columns;
        char **cells;
        size_t n_cells;
        bool failed; /* memory was short */
};

void table_init(struct table *table, const char *const *heads, unsigned n_columns);
void table_done(struct table *table);

/* The next cell, row by row; escaped. color: "" or an escape sequence that is not counted; NULL text is "-".
 */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) _printf_(2, 3);

/* color_of: an escape sequence for a cell's text in its column, or NULL; may itself be NULL. -1: memory was
 * short. */
int table_print(
        const struct table *table, FILE *to, const char *(*color_of)(unsigned column, const char *text));

/* ---- file.c ---- */

/* Reads a whole file ("-" or NULL: standard input) of at most max bytes. -errno; -EFBIG. The caller frees. */
int file_read(const char *path, size_t max, unsigned char **ret, size_t *ret_length);

/* Where a verb writes its result. Opened before anything is asked: where it cannot be, nothing was done. */
struct output {
        const char *path; /* NULL or "-": standard output */
        int fd;           /* -1: standard output, or written */
        bool made;        /* the file is new, and nothing whole is in it yet */
};

/* Has complained; an exit status. A file that is there keeps what is in it until output_write(). */
int output_open(const char *path, struct output *output);

/* Once for a file, to standard output as often as wanted. Has complained; an exit status. */
int output_write(struct output *output, const void *bytes, size_t length);

/* {"name":"base64"}, as above. */
int output_json_bytes(struct output *output, const char *name, const void *bytes, size_t length);

/* Removes a file that was made and not written. Zeroes but for fd are fine. */
void output_done(struct output *output);

#define OUTPUT_STANDARD ((struct output){.fd = -1})

/* ---- hash.c: the one file that knows NSS ---- */

/* Digest of a file of any size. algorithm: its hash is in its name. 0; -EINVAL: no hash in that name; -errno
 * of the file; -EIO: NSS would not. digest: 64 bytes. */
int hash_file(const char *path, const char *algorithm, unsigned char *digest, size_t *ret_length);

/* SHA-256 of bytes in memory, between hash_begin() and hash_end(). -EIO: NSS did not do it. */
int hash_begin(void);
void hash_end(void);
int hash_sha256(const void *bytes, size_t length, unsigned char digest[static 32]);

static inline void tokend_closep(struct tokend **handle)
{
        tokend_close(*handle);
}
static inline void tokend_key_freep(struct tokend_key **key)
{
        tokend_key_free(*key);
}
