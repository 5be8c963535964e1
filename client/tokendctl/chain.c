/* SPDX-License-Identifier: MPL-2.0 */
/* See chain.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tokendctl/chain.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/text.h"
#include "proto/json.h"

/* How many hashes are kept for the heads that sign them. A head is signed within half a minute. */
#define HASHES_MAX (1U << 20)
#define HEX        (2U * CHAIN_HASH)
/* `,"hash":"` HEX `"}` */
#define TAIL (9U + HEX + 2U)

/* The parts of a line, by their place. */
struct record {
        uint64_t seq;
        unsigned char prev[CHAIN_HASH], hash[CHAIN_HASH];
        size_t body; /* bytes that the hash is of */
        struct json_object *json;
};

void chain_check_done(struct chain_check *check)
{
        free(check->hashes);
        check->hashes = NULL;
}

const char *chain_fault_text(enum chain_fault fault)
{
        static const char *const texts[] = {
                [CHAIN_GOOD] = "good",
                [CHAIN_NO_RECORD] = "not a record: the line is cut, or is not of an audit file",
                [CHAIN_CHANGED] = "changed: the content does not fit the hash",
                [CHAIN_REWRITTEN] = "rewritten: it does not follow from the record before it",
                [CHAIN_MISSING] = "records before it are missing",
                [CHAIN_REORDERED] = "reordered: it stands after a later record, or twice",
                [CHAIN_RESTARTED] = "a second chain begins here",
                [CHAIN_BAD_HEAD] = "the head signs another hash than the chain has there",
                [CHAIN_NO_SIGNATURE] = "the head has no whole signature: something of it is missing or cut",
                [CHAIN_REPEATED_HEAD] = "the head signs what a head before it signs: it is doubled, or old",
                [CHAIN_OTHER_KEY] = "signed with another key",
                [CHAIN_BAD_SIGNATURE] = "the signature is not good",
        };

        return texts[fault];
}

/* Lower case alone: each hash has one spelling. */
static bool take_hash(const char *text, unsigned char ret[static CHAIN_HASH])
{
        return strspn(text, "0123456789abcdef") >= HEX && text_unhex(text, CHAIN_HASH, ret);
}

/* Returns where the digits of seq end. 0: the line does not begin with a seq. */
static size_t seq_take(const char *line, size_t length, uint64_t *ret)
{
        static const char start[] = "{\"seq\":";
        size_t at = sizeof(start) - 1;
        uint64_t seq = 0;

        if (length <= at || memcmp(line, start, at) != 0 || line[at] < '1' || line[at] > '9')
                return 0;
        for (; at < length && line[at] >= '0' && line[at] <= '9'; at++) {
                if (seq > (UINT64_MAX - 9) / 10)
                        return 0;
                seq = seq * 10 + (uint64_t)(line[at] - '0');
        }
        *ret = seq;
        return at;
}

uint64_t chain_line_seq(const char *line, size_t length)
{
        uint64_t seq = 0;

        return seq_take(line, length, &seq) > 0 ? seq : 0;
}

static const char *member_text(struct json_object *object, const char *name)
{
        struct json_object *member;

        if (!json_object_object_get_ex(object, name, &member) ||
                !json_object_is_type(member, json_type_string))
                return NULL;
        return json_object_get_string(member);
}

static bool member_number(struct json_object *object, const char *name, uint64_t *ret)
{
        struct json_object *member;

        if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_int))
                return false;
        *ret = json_object_get_uint64(member);
        return true;
}

/* What stands at its place must also be what a reader of the JSON sees. */
static bool places_agree(const struct record *record, const char *line, size_t at)
{
        const char *prev = member_text(record->json, "prev"), *hash = member_text(record->json, "hash");
        uint64_t seq;

        return member_number(record->json, "seq", &seq) && seq == record->seq && prev &&
               strlen(prev) == HEX && memcmp(prev, line + at + 9, HEX) == 0 && hash && strlen(hash) == HEX &&
               memcmp(hash, line + record->body + 9, HEX) == 0;
}

/* 1: the line is not a record; -ENOMEM. The caller json_object_put()s record->json, in any case. */
static int record_take(const char *line, size_t length, struct record *record)
{
        size_t at = seq_take(line, length, &record->seq);
        int r;

        if (at == 0 || length > CHAIN_LINE_MAX || length < at + 9 + HEX + 2 + TAIL)
                return 1;
        record->body = length - TAIL;
        if (memcmp(line + at, ",\"prev\":\"", 9) != 0 || memcmp(line + at + 9 + HEX, "\",", 2) != 0 ||
                !take_hash(line + at + 9, record->prev))
                return 1;
        if (memcmp(line + record->body, ",\"hash\":\"", 9) != 0 || memcmp(line + length - 2, "\"}", 2) != 0 ||
                !take_hash(line + record->body + 9, record->hash))
                return 1;
        r = json_parse(line, length, &record->json);
        if (r < 0)
                return r == -ENOMEM ? r : 1;
        return places_agree(record, line, at) ? 0 : 1;
}

/* ---- heads ---- */

static int remember(struct chain_check *check, const struct record *record)
{
        if (record->seq - check->first_seq >= check->n_hashes && check->n_hashes < HASHES_MAX) {
                size_t n = check->n_hashes > 0 ? 2 * check->n_hashes : 1024;
                unsigned char(*hashes)[CHAIN_HASH] = calloc(n, sizeof(*hashes));

                if (!hashes)
                        return -ENOMEM;
                for (size_t i = 0; i < check->n_hashes && check->last_seq >= check->first_seq + i; i++) {
                        uint64_t seq = check->last_seq - i;

                        memcpy(hashes[seq % n], check->hashes[seq % check->n_hashes], CHAIN_HASH);
                }
                free(check->hashes);
                check->hashes = hashes;
                check->n_hashes = n;
        }
        memcpy(check->hashes[record->seq % check->n_hashes], record->hash, CHAIN_HASH);
        return 0;
}

/* *ret_known: the record that the head signs was given, and its hash is kept. */
static enum chain_fault head_fits(
        const struct chain_check *check, const char *signed_hash, uint64_t signed_seq, bool *ret_known)
{
        unsigned char hash[CHAIN_HASH];

        *ret_known = false;
        if (signed_seq == 0 || signed_seq >= check->last_seq || strlen(signed_hash) != HEX ||
                !take_hash(signed_hash, hash))
                return CHAIN_BAD_HEAD;
        if (signed_seq < check->first_seq || check->last_seq - signed_seq >= check->n_hashes)
                return CHAIN_GOOD;
        *ret_known = true;
        return memcmp(hash, check->hashes[signed_seq % check->n_hashes], CHAIN_HASH) == 0 ? CHAIN_GOOD
                                                                                          : CHAIN_BAD_HEAD;
}

static int head_ask(struct chain_check *check, const struct chain_head *head)
{
        int r = check->signature ? check->signature(check->userdata, head) : CHAIN_GOOD;

        if (r == CHAIN_GOOD)
                check->n_heads++;
        return r;
}

static int head_check(struct chain_check *check, struct json_object *json)
{
        const char *hash = member_text(json, "signedHash"), *public_key = member_text(json, "publicKey"),
                   *signature = member_text(json, "signature"), *time = member_text(json, "time");
        struct chain_head head = {
                .algorithm = member_text(json, "algorithm"), .key = member_text(json, "key")};
        _cleanup_(freep) unsigned char *public_key_bytes = NULL, *signature_bytes = NULL;
        bool known;
        int r;

        if (!member_number(json, "signedSeq", &head.signed_seq) || !hash || !public_key || !signature ||
                !time || !head.algorithm || !head.key)
                return CHAIN_NO_SIGNATURE;
        r = hex_parse(public_key, &public_key_bytes, &head.public_key_length);
        if (r == 0)
                r = hex_parse(signature, &signature_bytes, &head.signature_length);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || head.public_key_length == 0 || head.signature_length == 0)
                return CHAIN_NO_SIGNATURE;
        r = (int)head_fits(check, hash, head.signed_seq, &known);
        if (r != CHAIN_GOOD)
                return r;
        /* tokend-audit signs only what came after the last head. */
        if (head.signed_seq <= check->head_seq)
                return CHAIN_REPEATED_HEAD;
        check->head_seq = head.signed_seq;
        head.public_key = public_key_bytes;
        head.signature = signature_bytes;
        head.message_length = (size_t)snprintf(head.message, sizeof(head.message),
                "tokend audit head 1\nseq=%" PRIu64 "\nhash=%s\n", head.signed_seq, hash);
        r = head_ask(check, &head);
        if (r == CHAIN_GOOD && known && head.signed_seq > check->signed_seq) {
                check->signed_seq = head.signed_seq;
                (void)snprintf(check->signed_time, sizeof(check->signed_time), "%s", time);
        }
        return r;
}

/* ---- the chain ---- */

static bool is_zero(const unsigned char hash[static CHAIN_HASH])
{
        static const unsigned char zero[CHAIN_HASH];

        return memcmp(hash, zero, CHAIN_HASH) == 0;
}

/* Whether the record follows from the one before. */
static enum chain_fault follows(struct chain_check *check, const struct record *record)
{
        if (check->last_seq == 0)
                return record->seq == 1 && !is_zero(record->prev) ? CHAIN_REWRITTEN : CHAIN_GOOD;
        if (record->seq == 1 && is_zero(record->prev))
                return CHAIN_RESTARTED;
        if (record->seq <= check->last_seq)
                return CHAIN_REORDERED;
        if (record->seq > check->last_seq + 1) {
                check->missing_from = check->last_seq + 1;
                return CHAIN_MISSING;
        }
        return memcmp(record->prev, check->hash, CHAIN_HASH) == 0 ? CHAIN_GOOD : CHAIN_REWRITTEN;
}

/* From here on the chain is what this record says. The next record is compared with it. */
static int move_to(struct chain_check *check, const struct record *record, enum chain_fault fault)
{
        if (fault == CHAIN_REORDERED)
                return 0;
        if (check->last_seq == 0 || fault == CHAIN_RESTARTED) {
                check->first_seq = record->seq;
                check->signed_seq = check->head_seq = check->removed_seq = 0;
                memcpy(check->before, record->prev, CHAIN_HASH);
                free(check->hashes);
                check->hashes = NULL;
                check->n_hashes = 0;
        }
        if (remember(check, record) < 0)
                return -ENOMEM;
        check->last_seq = record->seq;
        memcpy(check->hash, record->hash, CHAIN_HASH);
        return 0;
}

/* AuditKeep=: where the chain stood at the end of a file that is not there any more. */
static void take_removed(struct chain_check *check, const struct record *record)
{
        const char *text = member_text(record->json, "upToHash");
        unsigned char hash[CHAIN_HASH];
        uint64_t up_to;

        if (text && strlen(text) == HEX && take_hash(text, hash) &&
                member_number(record->json, "upTo", &up_to) && up_to + 1 == check->first_seq &&
                memcmp(hash, check->before, CHAIN_HASH) == 0)
                check->removed_seq = record->seq;
}

static int check_record(struct chain_check *check, const char *line, const struct record *record)
{
        unsigned char hash[CHAIN_HASH];
        const char *kind = member_text(record->json, "kind");
        enum chain_fault fault = follows(check, record);
        int r = move_to(check, record, fault);

        if (r == 0)
                r = check->sha256(line, record->body, hash);
        if (r < 0)
                return r;
        if (memcmp(hash, record->hash, CHAIN_HASH) != 0)
                return CHAIN_CHANGED;
        if (fault != CHAIN_GOOD)
                return (int)fault;
        if (kind && strcmp(kind, "removed") == 0)
                take_removed(check, record);
        return kind && strcmp(kind, "head") == 0 ? head_check(check, record->json) : CHAIN_GOOD;
}

int chain_check_line(struct chain_check *check, const char *line, size_t length, uint64_t *ret_seq)
{
        struct record record = {0};
        int r = record_take(line, length, &record);

        if (r == 0)
                r = check_record(check, line, &record);
        else if (r > 0)
                r = CHAIN_NO_RECORD;
        json_object_put(record.json);
        *ret_seq = record.seq;
        check->n_records++;
        if (r > CHAIN_GOOD)
                check->n_faults++;
        return r;
}
