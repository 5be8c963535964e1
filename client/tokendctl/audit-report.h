/* SPDX-License-Identifier: MPL-2.0 */
/* What `audit verify` says, for people or as JSON. Writes to standard output. */
#pragma once

#include "client/tokendctl/chain.h"

struct audit_report {
        bool json;
        uint64_t good_from, good_to; /* the present run of good records; 0: there is none */
        bool printed;                /* a fault stands in the list of the JSON */
};

/* Begins the JSON. */
void audit_report_begin(struct audit_report *report);

/* A record that is good. */
void audit_report_good(struct audit_report *report, uint64_t seq);

/* A fault in this line of a file. seq: the number of the record; 0: the line has none. */
void audit_report_fault(struct audit_report *report, const struct chain_check *check, const char *path,
        uint64_t line, uint64_t seq, enum chain_fault fault);

/* How the check ended. */
struct audit_verdict {
        bool complete;  /* all files were read to their end */
        bool good;      /* nothing is wrong */
        bool key_named; /* the command line names the keys that may have signed */
        const char *
                key; /* SHA-256, in hexadecimal, of the key that the file itself names; NULL: not to be told */
};
void audit_report_end(
        struct audit_report *report, const struct chain_check *check, const struct audit_verdict *verdict);
