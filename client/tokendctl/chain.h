/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Checks the chain of an audit file, line by line: tokendctl(1) has the format. Shares nothing with
 * tokend-audit, which writes it, so that a fault there does not hide itself here. Pure: hashing and the word
 * on a signature come in as functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_HASH 32U
/* Bytes of a line: the daemon's records have 16 KiB at most, and the chain adds less than 200. */
#define CHAIN_LINE_MAX (20U * 1024U)

enum chain_fault {
        CHAIN_GOOD = 0,
        CHAIN_NO_RECORD, /* the line is none of an audit file, or was cut */
        CHAIN_CHANGED,   /* its content does not fit its hash */
        CHAIN_REWRITTEN, /* it does not follow from the record before: one of the two was replaced */
        CHAIN_MISSING,   /* records before it are missing; see missing_from */
        CHAIN_REORDERED, /* it stands behind a record that comes after it, or stands twice */
        CHAIN_RESTARTED, /* a second chain begins */
        CHAIN_BAD_HEAD,  /* it signs something else than what the chain has there */
        CHAIN_OTHER_KEY, /* its signature is by another key than is asked for */
        CHAIN_BAD_SIGNATURE,
};

/* A head that is to be checked. */
struct chain_head {
        uint64_t signed_seq;
        const char *algorithm, *key; /* as the record names them */
        const unsigned char *public_key, *signature;
        size_t public_key_length, signature_length;
        char message[128]; /* what was signed */
        size_t message_length;
};

struct chain_check {
        /* Of the caller. sha256: 0 or -errno. signature: CHAIN_GOOD, CHAIN_OTHER_KEY, CHAIN_BAD_SIGNATURE; -errno: it
         * could not be told, and the check is over. NULL: heads are not asked about. */
        int (*sha256)(const void *bytes, size_t length, unsigned char digest[static CHAIN_HASH]);
        int (*signature)(void *userdata, const struct chain_head *head);
        void *userdata;

        /* The result. Records first_seq to last_seq were read. */
        uint64_t first_seq, last_seq, signed_seq; /* 0: none */
        char signed_time[40];                     /* of the record that signs signed_seq */
        uint64_t n_records, n_heads, n_faults;
        uint64_t missing_from; /* with CHAIN_MISSING: from here to the record before this line */

        /* Inside. */
        unsigned char hash[CHAIN_HASH];      /* of last_seq, as it says itself */
        unsigned char (*hashes)[CHAIN_HASH]; /* of record seq at seq % n_hashes */
        size_t n_hashes;
};

/* sha256, signature and userdata are set, the rest is zero. */
void chain_check_done(struct chain_check *check);

/* The next line, its newline not counted. *ret_seq: the record's number; 0 where it has none. CHAIN_GOOD, or
 * the fault, which is counted; the check goes on behind it with the next line. -errno: no memory, or it could
 * not be told. */
int chain_check_line(struct chain_check *check, const char *line, size_t length, uint64_t *ret_seq);

/* The number of the record in a line, by its place alone; 0: none. To sort files. */
uint64_t chain_line_seq(const char *line, size_t length);

/* A sentence. */
const char *chain_fault_text(enum chain_fault fault);
