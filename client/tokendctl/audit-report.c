/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-report.h. */
#include "client/tokendctl/audit-report.h"

#include <inttypes.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"

/* Faults that are printed. All of them are counted. */
#define FAULTS_SHOWN 100U

void audit_report_begin(struct audit_report *report)
{
        if (report->json)
                printf("{\"faults\":[");
}

void audit_report_good(struct audit_report *report, uint64_t seq)
{
        if (report->good_from == 0)
                report->good_from = seq;
        report->good_to = seq;
}

/* Ends the run of good records. */
static void print_range(struct audit_report *report)
{
        if (report->good_from > 0 && !report->json)
                printf("records %" PRIu64 " to %" PRIu64 " are good\n", report->good_from, report->good_to);
        report->good_from = 0;
}

static void print_fault_json(struct audit_report *report, const struct chain_check *check, const char *path,
        uint64_t line, uint64_t seq, enum chain_fault fault)
{
        printf("%s\n  {\"file\":", report->printed ? "," : "");
        json_string_print(stdout, path);
        printf(",\"line\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"fault\":", line, seq);
        json_string_print(stdout, chain_fault_text(fault));
        if (fault == CHAIN_MISSING)
                printf(",\"missingFrom\":%" PRIu64 ",\"missingTo\":%" PRIu64, check->missing_from, seq - 1);
        printf("}");
        report->printed = true;
}

void audit_report_fault(struct audit_report *report, const struct chain_check *check, const char *path,
        uint64_t line, uint64_t seq, enum chain_fault fault)
{
        _cleanup_(freep) char *escaped = printable_new(path);

        print_range(report);
        if (check->n_faults > FAULTS_SHOWN)
                return;
        if (report->json) {
                print_fault_json(report, check, path, line, seq, fault);
                return;
        }
        printf("%s:%" PRIu64 ": ", escaped ? escaped : "?", line);
        if (seq > 0)
                printf("record %" PRIu64 ": ", seq);
        printf("%s", chain_fault_text(fault));
        if (fault == CHAIN_MISSING)
                printf(" (%" PRIu64 " to %" PRIu64 ")", check->missing_from, seq - 1);
        printf("\n");
}

static void print_protection(const struct chain_check *check)
{
        _cleanup_(freep) char *time = printable_new(check->signed_time);

        if (!check->signature)
                printf("signatures were not checked\n");
        else if (check->signed_seq == 0)
                printf("no head is signed: nothing protects these records against a rewrite of all of "
                       "them\n");
        else
                printf("signed up to record %" PRIu64 ", at %s; %" PRIu64 " signatures are good\n",
                        check->signed_seq, time ? time : "?", check->n_heads);
        if (check->signature && check->signed_seq > 0 && check->last_seq > check->signed_seq)
                printf("records %" PRIu64 " to %" PRIu64 " come after the last signed head: they are not yet "
                       "protected against a cut or a rewrite\n",
                        check->signed_seq + 1, check->last_seq);
}

void audit_report_end(
        struct audit_report *report, const struct chain_check *check, const struct audit_verdict *verdict)
{
        if (report->json) {
                printf("%s],\n \"good\":%s,\"records\":%" PRIu64 ",\"faultCount\":%" PRIu64
                       ",\"firstSeq\":%" PRIu64 ",\"lastSeq\":%" PRIu64 ",\"signedSeq\":%" PRIu64
                       ",\"heads\":%" PRIu64 ",\"keyNamed\":%s",
                        report->printed ? "\n " : "", verdict->good ? "true" : "false", check->n_records,
                        check->n_faults, check->first_seq, check->last_seq, check->signed_seq, check->n_heads,
                        verdict->key_named ? "true" : "false");
                if (check->removed_seq)
                        printf(",\"removedBy\":%" PRIu64, check->removed_seq);
                printf("}\n");
                return;
        }
        print_range(report);
        if (!verdict->complete)
                return;
        if (check->n_faults > FAULTS_SHOWN)
                printf("... and %" PRIu64 " more\n", check->n_faults - FAULTS_SHOWN);
        if (check->first_seq > 1 && check->removed_seq)
                printf("records 1 to %" PRIu64 " were removed after AuditKeep=, as record %" PRIu64
                       " says; it has the hash from which "
                       "record %" PRIu64 " follows\n",
                        check->first_seq - 1, check->removed_seq, check->first_seq);
        else if (check->first_seq > 1)
                printf("records 1 to %" PRIu64 " are in files that were not given\n", check->first_seq - 1);
        print_protection(check);
        if (verdict->key)
                printf("the heads are signed with the key that the file itself names; name yours with --key "
                       "or\n"
                       "--pubkey, or compare the SHA-256 of that public key: %s\n",
                        verdict->key);
        printf("%s\n", verdict->good ? "GOOD" : "NOT GOOD");
}
