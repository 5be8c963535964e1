/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of tokendctl share: the options, the verbs, and how things are written for people and for programs.
 *
 * Errors: a function that returns an exit status (EXIT_DONE is 0) has written a sentence on standard error before it
 * returns another one. Every other function that can fail follows the rule of daemon/util/macros.h: 0, -errno, a positive
 * condition; it writes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tokend.h"
#include "daemon/util/macros.h"
#include "proto/limits.h"

/* Where libtokend looks if nothing is given. */
#define KEYS_SOCKET   "/run/tokend/tokend.sock"
#define STATUS_SOCKET "/run/tokend/status.sock"

/* The exit statuses of the program, as in tokendctl(1). */
enum {
        EXIT_DONE = 0,
        EXIT_REFUSED = 1,     /* the daemon refused, or a signature is not good */
        EXIT_USAGE = 2,       /* the command line is wrong, or a file that it names */
        EXIT_UNREACHABLE = 3, /* the daemon could not be asked, or the output could not be written */
        EXIT_INCOMPLETE = 4,  /* a listing lacks tokens that are not ready */
};

/* What the command line says. Strings that were not given are NULL. */
struct ctl_options {
        const char *socket, *status_socket;
        bool json, help, version;
        int timeout_ms; /* 0: the library's default */

        const char *type, *curve, *usage, *algorithm, *digest, *in, *out, *signature, *label, *peer, *iv, *id;
        const char *aad, *data, *other;
        int size;   /* bits; 0: not given */
        int length; /* bytes; 0: not given */
        int bit;
        bool loadable, base64, der, yes, replace, watch;
        bool salted; /* salt_length was given */
        int salt_length;

        /* audit: the keys that may have signed, from --key and --pubkey. */
        struct audit_key {
                const char *name; /* of a key of the daemon, or NULL */
                const char *file; /* with a public key, or NULL */
        } audit_keys[8];
        unsigned n_audit_keys;
        uint64_t first_seq, expect_seq; /* 0: not given */
        bool no_signatures;

        /* The verbs for certificates. */
        const char *as; /* USER or USER:UNIT */
        const char *config, *passphrase_file;
        const char *since, *until, *token, *operation; /* audit show */
        bool login;
        const char *subject, *nickname, *subsystem, *instance, *claimant, *serial;
        const char *dns_names[LIMIT_DNS_NAMES];
        unsigned n_dns_names;
        int days; /* 0: not given */
        bool ca, pem;

        char **arguments; /* behind the verb */
        unsigned n_arguments;
};

/* ---- the verbs: each returns an exit status ---- */

int verb_whoami(const struct ctl_options *o);
int verb_may(const struct ctl_options *o);
int verb_tokens(const struct ctl_options *o);
int verb_list(const struct ctl_options *o);
int verb_generate(const struct ctl_options *o);
int verb_rename(const struct ctl_options *o);
int verb_pubkey(const struct ctl_options *o);
int verb_delete(const struct ctl_options *o);
int verb_sign(const struct ctl_options *o);
int verb_verify(const struct ctl_options *o);
int verb_decrypt(const struct ctl_options *o);
int verb_derive(const struct ctl_options *o);
int verb_random(const struct ctl_options *o);
int verb_certs(const struct ctl_options *o);
int verb_request(const struct ctl_options *o);
int verb_self_sign(const struct ctl_options *o);
int verb_import(const struct ctl_options *o);
int verb_delete_cert(const struct ctl_options *o);
int verb_check(const struct ctl_options *o);
int verb_remove_claim(const struct ctl_options *o);
int verb_make_anew(const struct ctl_options *o);
int verb_backup(const struct ctl_options *o);
int verb_restore(const struct ctl_options *o);
int verb_status(const struct ctl_options *o);
int verb_metrics(const struct ctl_options *o);
int verb_probe(const struct ctl_options *o);
int verb_retry(const struct ctl_options *o);
int verb_drain(const struct ctl_options *o);
int verb_disable(const struct ctl_options *o);
int verb_enable(const struct ctl_options *o);
int verb_doctor(const struct ctl_options *o);
int verb_audit(const struct ctl_options *o);
int verb_secrets(const struct ctl_options *o);
int verb_secret_generate(const struct ctl_options *o);
int verb_unwrap(const struct ctl_options *o);
int verb_wrap(const struct ctl_options *o);
int verb_secret_delete(const struct ctl_options *o);
int verb_encrypt(const struct ctl_options *o);

/* ---- common.c ---- */

/* Writes one line on standard error, with what could deceive a terminal escaped. usage() returns EXIT_USAGE. */
void complain(const char *format, ...) _printf_(1, 2);
int usage(const char *format, ...) _printf_(1, 2);

/* Complains that memory is short, or about what the library said and what to do next, and returns the exit status for it. refused() also
 * prints an object with --json. */
int no_memory(void);
int not_shown(void);
int refused(const struct ctl_options *o, const struct tokend_failure *failure);
/* Likewise, with nothing on standard output: JSON was begun there, or is still to come. */
int refused_text(const struct tokend_failure *failure);

/* The algorithm of signatures in --algorithm; where that is left out, or is a hash alone, what the key in the first argument says. An exit
 * status. */
int signature_algorithm(const struct ctl_options *o, struct tokend *handle, const char **ret);

/* "sign,decrypt" as a mask of enum tokend_usage. 0: one of the words is not a usage. */
unsigned usage_mask(const char *text);

/* The parts of the name of a key to be made: "token:nickname" or "nickname". *ret_token: NULL, or a string that the caller
 * frees. *ret_nickname: inside name. An exit status. */
int split_name(const char *name, char **ret_token, const char **ret_nickname);

/* The exit status of a listing that was printed: EXIT_INCOMPLETE, with a line for each token that it lacks, or EXIT_DONE. */
int list_end_status(const struct tokend_list_end *end);

/* Prints what stands behind the array of a listing's JSON: its state, and what is unavailable. */
void list_end_print(const struct tokend_list_end *end);

/* A handle for the main socket, which the caller tokend_close()s. NULL: it has complained, and the exit
 * status is EXIT_USAGE. */
struct tokend *open_main(const struct ctl_options *o);
/* An exit status. A service that does not run is not started by that: systemd is asked first. */
int open_status(const struct ctl_options *o, struct tokend **ret);
/* An exit status. The caller tokend_status_free()s *ret. */
int ask_status(const struct ctl_options *o, struct tokend *handle, struct tokend_status **ret);
/* Whether the service behind the status socket can be asked: unit_check(). */
int check_status(const struct ctl_options *o, struct tokend_failure *ret_failure);

/* ---- terminal.c ---- */

/* Microseconds as "3d 4h", "12min" or "5s". */
void duration_format(int64_t usec, char *buffer, size_t size);

/* Microseconds as "850us", "12.3ms" or "1.2s"; "-" for 0. */
void latency_format(int64_t usec, char *buffer, size_t size);

/* Columns of a line that is made for people. */
#define LINE_COLUMNS 80
/* Prints words of ASCII in lines of LINE_COLUMNS, with so many blanks before each. */
void wrapped_print(const char *text, size_t indent);

/* The number of columns that text takes on a terminal. */
size_t terminal_width(const char *text);

/* Writes a string of JSON, with its quotes. */
void json_string_print(FILE *to, const char *text);

/* ---- pem.c ---- */

/* base64 in lines of 64 characters between BEGIN and END. label: "PUBLIC KEY". The caller frees. NULL: no memory. */
char *pem_text(const char *label, const void *der, size_t length);

/* The bytes of a file that holds one block of PEM with this label, whatever stands around it; or DER (a SEQUENCE) as it is.
 * The caller frees *ret. -EINVAL: the file holds neither; -E2BIG: it holds several blocks; -ENOMEM. */
int pem_read(
        const char *label, const unsigned char *file, size_t length, unsigned char **ret, size_t *ret_length);

/* The bytes of hexadecimal digits of either case. The caller frees *ret. -EINVAL: this is something else; -ENOMEM. */
int hex_parse(const char *text, unsigned char **ret, size_t *ret_length);

/* ---- table.c ---- */

/* Rows of cells under heads. Each column is as wide as its widest cell. */
struct table {
        const char *const
                *heads; /* a head that begins with '>' stands for a column of numbers, aligned to the right */
        unsigned n_columns;
        char **cells;
        size_t n_cells;
        bool failed; /* memory was short */
};

/* heads stays borrowed. */
void table_init(struct table *table, const char *const *heads, unsigned n_columns);
void table_done(struct table *table);

/* Adds a copy of text, escaped, as the next cell, row by row. NULL or an empty text becomes "-". A failure is remembered. */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) _printf_(2, 3);

/* color_of: NULL, or a function that returns the escape sequence before a cell, or NULL. -ENOMEM, also for a table_add() that
 * failed. */
int table_print(
        const struct table *table, FILE *to, const char *(*color_of)(unsigned column, const char *text));

/* ---- file.c ---- */

/* Whether path means standard input or output: NULL or "-". */
bool file_is_standard(const char *path);

/* The name of the file for a sentence. */
const char *file_name(const char *path, const char *standard);

/* Reads a whole file, or standard input, of at most max bytes. The caller frees *ret. -EFBIG: it is longer; -errno. */
int file_read(const char *path, size_t max, unsigned char **ret, size_t *ret_length);

/* Complains of what file_read() gave, and returns EXIT_USAGE. too_long: what to say of -EFBIG. */
int file_unread(const char *path, int r, const char *too_long);

/* Where a verb writes its result. It is opened before the daemon is asked: if it cannot be, nothing was done. */
struct ctl_output {
        const char *path; /* NULL or "-": standard output */
        int fd;           /* -1: standard output, or the file was written */
        bool made;        /* the file is new, and its content is not complete */
        bool secret;      /* a new file is the user's alone */
        bool fresh; /* a file that is there is not overwritten, and a new one is on the disk when it is written */
};

#define CTL_OUTPUT_STANDARD ((struct ctl_output){.fd = -1})
#define CTL_OUTPUT_SECRET   ((struct ctl_output){.fd = -1, .secret = true})
#define CTL_OUTPUT_FRESH    ((struct ctl_output){.fd = -1, .secret = true, .fresh = true})

/* Opens the file; output is one of these. A file that exists keeps its content until ctl_output_write(). An exit status. */
int ctl_output_open(const char *path, struct ctl_output *output);
/* Likewise for bytes that are no text, which are not written to a terminal; an exit status before anything is done. path: NULL: standard
 * output. */
int ctl_output_open_binary(const struct ctl_options *o, struct ctl_output *output);
int ctl_binary_fits(const struct ctl_options *o, const char *path);

/* Writes the whole content of the file; to standard output it may be called again. An exit status. */
int ctl_output_write(struct ctl_output *output, const void *bytes, size_t length);

/* Likewise {"name":"base64 of the bytes"}. */
int ctl_output_json_bytes(struct ctl_output *output, const char *name, const void *bytes, size_t length);

/* Likewise the bytes as they are, as a line of base64, or as that JSON, as the options say. No copy stays in memory. */
int ctl_output_result(const struct ctl_options *o, struct ctl_output *output, const char *name,
        const void *bytes, size_t length);

/* Likewise the bytes in PEM; see pem_text(). */
int ctl_output_pem(struct ctl_output *output, const char *label, const void *der, size_t length);

/* Closes the file, and removes it if it was made and not written. */
void ctl_output_done(struct ctl_output *output);

/* ---- passphrase.c ---- */

struct secret;
/* The passphrase of a backup: of --passphrase-file, or the terminal is asked for it; twice where a backup is made. An exit status. */
int passphrase_get(const struct ctl_options *o, bool twice, struct secret **ret);

/* ---- sealed-file.c: keys that may be sealed ones, `@FILE`. Exit statuses ---- */

bool sealed_is_file(const char *name);

/* The name of a key, or the text of the sealed key in the file behind the @. Wipe *ret with sealed_text_wipe(). */
int sealed_key_text(const char *name, char **ret);
void sealed_text_wipe(char **text);

/* The key that --type, --length, --size, --curve and --usage say. */
int options_template(const struct ctl_options *o, struct tokend_secret_template *ret);

/* --algorithm, --iv, --label and --aad. */
struct options_algorithm {
        struct tokend_algorithm algorithm;
        unsigned char *buffers[3];
};
int options_algorithm(const struct ctl_options *o, struct options_algorithm *ret);
void options_algorithm_done(struct options_algorithm *algorithm);

/* Writes its text, or JSON, and frees it. */
int sealed_write(const struct ctl_options *o, struct ctl_output *output, struct tokend_sealed *sealed);

/* ---- hash.c ---- */

/* Hashes a file of any size, or standard input, with the hash of the signature algorithm. digest: DIGEST_MAX bytes.
 * -EINVAL: the algorithm is unknown or has no hash; -errno of the file. */
int hash_file(const char *path, const char *algorithm, unsigned char *digest, size_t *ret_length);

/* Fills --algorithm where it was left out, as the key says, whose name that is (NULL: a public key in a file): rsa_oaep_sha256; to wrap,
 * aes_kwp; to encrypt, aes_gcm with --aad, else aes_cbc_pad; des3_cbc_pad. */
int cipher_algorithm(struct ctl_options *o, const char *key, bool wraps);

/* Whether that is the digest of bytes in memory. false too where the algorithm has no hash of the SHA-2 family. */
bool hash_is_of(const unsigned char *digest, size_t length, const char *algorithm, const void *message,
        size_t message_length);

/* SHA-256 of bytes in memory, as chain.h wants it: always 0. */
int hash_sha256(const void *bytes, size_t length, unsigned char digest[static 32]);

static inline void tokend_closep(struct tokend **handle)
{
        tokend_close(*handle);
}
static inline void tokend_probe_freep(struct tokend_probe **probe)
{
        tokend_probe_free(*probe);
}

static inline void tokend_maintenance_freep(struct tokend_maintenance **maintenance)
{
        tokend_maintenance_free(*maintenance);
}
static inline void tokend_key_freep(struct tokend_key **key)
{
        tokend_key_free(*key);
}
