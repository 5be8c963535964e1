/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Checks the chain of an audit file, line by line; docs/audit.md has the format. It has no code in common with tokend-audit,
 * which writes the chain: a fault there must not hide itself here. Pure: the caller brings the functions that hash and that
 * check a signature.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_HASH 32U
/* Bytes of a line: a record of LIMIT_AUDIT_RECORD, and less than 200 that the chain adds. */
#define CHAIN_LINE_MAX (20U * 1024U)

enum chain_fault {
        CHAIN_GOOD = 0,
        CHAIN_NO_RECORD, /* the line is not of an audit file, or was cut */
        CHAIN_CHANGED,   /* the content does not fit the hash */
        CHAIN_REWRITTEN, /* it does not follow from the record before it: one of the two was replaced */
        CHAIN_MISSING,   /* records before it are missing; see missing_from */
        CHAIN_REORDERED, /* it stands after a later record, or twice */
        CHAIN_RESTARTED, /* a second chain begins */
        CHAIN_BAD_HEAD,  /* the head signs another hash than the chain has there */
        CHAIN_OTHER_KEY, /* the head is signed with a key that the caller does not accept */
        CHAIN_BAD_SIGNATURE,
        CHAIN_NO_SIGNATURE,  /* the head lacks its signature, or a part of it */
        CHAIN_REPEATED_HEAD, /* the head signs no later record than one before it */
};

/* A signed head, for the caller to check. */
struct chain_head {
        uint64_t signed_seq;
        const char *algorithm, *key; /* their names in the record */
        const unsigned char *public_key, *signature;
        size_t public_key_length, signature_length;
        char message[128]; /* what was signed */
        size_t message_length;
};

struct chain_check {
        /* Set by the caller. sha256 returns 0 or -errno. signature returns CHAIN_GOOD, CHAIN_OTHER_KEY or
         * CHAIN_BAD_SIGNATURE; or -errno, which ends the check. signature may be NULL: then signatures are not checked. */
        int (*sha256)(const void *bytes, size_t length, unsigned char digest[static CHAIN_HASH]);
        int (*signature)(void *userdata, const struct chain_head *head);
        void *userdata;

        /* The result. The records first_seq to last_seq were read; 0: there was none. */
        uint64_t first_seq, last_seq;
        uint64_t signed_seq;  /* the last record that a good head signs; 0: there is none */
        char signed_time[40]; /* of that head: any text, as it stands in the file */
        uint64_t n_records, n_heads, n_faults;
        uint64_t
                removed_seq; /* the record which says that those before first_seq were removed, up to its prev; 0: there is none */
        uint64_t
                missing_from; /* with CHAIN_MISSING: the first of the records that are missing before this line */

        /* Private. */
        uint64_t head_seq;                   /* the record that the last head signs, good or not */
        unsigned char hash[CHAIN_HASH];      /* that the record last_seq has */
        unsigned char before[CHAIN_HASH];    /* that the record before first_seq had, as first_seq says */
        unsigned char (*hashes)[CHAIN_HASH]; /* of record seq at seq % n_hashes */
        size_t n_hashes;
};

/* Frees what the check holds. Before the first line, all but sha256, signature and userdata must be zero. */
void chain_check_done(struct chain_check *check);

/* Checks the next line, without its newline. *ret_seq: the number of the record; 0: the line has none. Returns CHAIN_GOOD or the
 * fault, which is counted: the next line is checked all the same. -errno: no memory, or what sha256 or signature returned. */
int chain_check_line(struct chain_check *check, const char *line, size_t length, uint64_t *ret_seq);

/* The number of the record in a line, without a check of the line. 0: there is none. */
uint64_t chain_line_seq(const char *line, size_t length);

/* A sentence for people. Static. */
const char *chain_fault_text(enum chain_fault fault);
