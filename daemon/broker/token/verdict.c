/* SPDX-License-Identifier: MPL-2.0 */
/* See verdict.h. */
#include "daemon/broker/token/verdict.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"

/* So many failures in a row make a verdict: any token may fail in passing. Whoever ended a worker counts as two, because it was
 * tried twice, and each time others waited. */
#define VERDICT_FAILURES 3U
#define DEATH_FAILURES   2U

/* Bytes of subject_text(), which cuts a longer nickname that another program gave. */
#define SUBJECT_TEXT (LIMIT_NICKNAME + 128U)

/* How long a verdict stands, doubling with each failure; a restart costs the others more than an error. */
#define STANDS_USEC       (100 * USEC_PER_MSEC)
#define STANDS_DEATH_USEC USEC_PER_SEC
#define STANDS_MAX_USEC   (30 * USEC_PER_SEC)

/* So many vague errors without a success between, of at least two subjects, are the device's. If only one key is used there is no second
 * subject: then they are if they go on for so long. */
#define DOUBT_ERRORS     3U
#define DOUBT_ALONE_USEC (5 * USEC_PER_SEC)
/* The time until a worker may be replaced for it again, doubling. */
#define DOUBT_AGAIN_USEC USEC_PER_SEC
#define DOUBT_DOUBLINGS  8U

/* ---- one key ---- */

/* With a key of the token. algorithm 0: the key's own. */
static bool signs(const struct op *op, unsigned algorithm, struct verdict_subject *ret)
{
        if (!op->entry)
                return false;
        ret->kind = MESSAGE_TYPE_SIGN;
        ret->algorithm = algorithm ? algorithm : algorithm_default(op->entry->key_type, op->entry->size);
        return true;
}

/* false: whatever becomes of it is no key's. The key is borrowed. */
static bool subject_of(const struct op *op, struct verdict_subject *ret)
{
        const union operation_message *input = &op->input;

        *ret = (struct verdict_subject){.kind = op->kind, .key = op->entry};
        if (op_is_tried(op))
                return false;
        switch (op->kind) {
        case MESSAGE_TYPE_SIGN:
                return signs(op, input->sign.algorithm, ret);
        case MESSAGE_TYPE_CERT_REQUEST:
                return signs(op, input->cert_request.algorithm, ret);
        case MESSAGE_TYPE_SELF_SIGN:
                return signs(op, input->self_sign.algorithm, ret);
        case MESSAGE_TYPE_DECRYPT:
                ret->algorithm = input->decrypt.decryption;
                break;
        case MESSAGE_TYPE_UNWRAP:
                ret->algorithm = input->unwrap.algorithm;
                break;
        case MESSAGE_TYPE_WRAP:
                ret->algorithm = input->wrap.algorithm;
                break;
        case MESSAGE_TYPE_SECRET_DERIVE:
                ret->algorithm = input->secret_derive.algorithm;
                break;
        case MESSAGE_TYPE_CIPHER:
                ret->algorithm = input->cipher.algorithm;
                break;
        case MESSAGE_TYPE_SIGN_SEALED:
                ret->algorithm = input->sign_sealed.algorithm;
                break;
        case MESSAGE_TYPE_DERIVE:
                break;
        default:
                return false;
        }
        snprintf(ret->sealed, sizeof(ret->sealed), "%s", !op->entry && op->key ? op->key : "");
        snprintf(ret->other, sizeof(ret->other), "%s", op->sealed ? op->sealed : "");
        return ret->key || ret->sealed[0] || ret->other[0];
}

static bool is_same(const struct verdict_subject *a, const struct verdict_subject *b)
{
        return a->kind == b->kind && a->algorithm == b->algorithm && !a->key == !b->key &&
               (!a->key || entry_is_same(a->key, b->key)) && strcmp(a->sealed, b->sealed) == 0 &&
               strcmp(a->other, b->other) == 0;
}

static struct key_verdict *verdict_of(struct token *token, const struct op *op)
{
        struct verdict_subject subject;

        if (!subject_of(op, &subject))
                return NULL;
        for (size_t i = 0; i < LIMIT_VERDICTS; i++)
                if (is_same(&token->verdicts[i].of, &subject))
                        return &token->verdicts[i];
        return NULL;
}

static void clear(struct key_verdict *verdict)
{
        entry_unref(verdict->of.key);
        *verdict = (struct key_verdict){0};
}

/* A free place, or that of the verdict whose time was over first. */
static struct key_verdict *make_room(struct token *token)
{
        struct key_verdict *room = &token->verdicts[0];

        for (size_t i = 1; i < LIMIT_VERDICTS && room->of.kind != MESSAGE_TYPE_NONE_; i++)
                if (token->verdicts[i].of.kind == MESSAGE_TYPE_NONE_ ||
                        token->verdicts[i].until_usec < room->until_usec)
                        room = &token->verdicts[i];
        clear(room);
        return room;
}

static uint64_t stands_usec(const struct key_verdict *verdict)
{
        uint64_t usec = verdict->death ? STANDS_DEATH_USEC : STANDS_USEC;

        return MIN_OF(usec << MIN_OF(verdict->n - VERDICT_FAILURES, 9U), STANDS_MAX_USEC);
}

static bool is_made(const struct key_verdict *verdict)
{
        return verdict && verdict->n >= VERDICT_FAILURES;
}

/* "signatures by the key k with ecdsa_sha256" */
static const char *subject_text(const struct verdict_subject *of, char ret[static SUBJECT_TEXT])
{
        static const char *const what[] = {[MESSAGE_TYPE_SIGN] = "signatures",
                [MESSAGE_TYPE_DECRYPT] = "decryptions",
                [MESSAGE_TYPE_DERIVE] = "derivations",
                [MESSAGE_TYPE_UNWRAP] = "unwrapped keys",
                [MESSAGE_TYPE_WRAP] = "wrapped keys",
                [MESSAGE_TYPE_SECRET_DERIVE] = "derived keys",
                [MESSAGE_TYPE_CIPHER] = "encryptions and decryptions",
                [MESSAGE_TYPE_SIGN_SEALED] = "signatures"};
        const struct algorithm_info *algorithm =
                of->kind == MESSAGE_TYPE_SIGN ? algorithm_info(of->algorithm) : NULL;

        snprintf(ret, SUBJECT_TEXT, "%s by the key %s%s%s", what[of->kind],
                of->key         ? of->key->nickname
                : of->sealed[0] ? of->sealed
                                : of->other,
                algorithm ? " with " : "", algorithm ? algorithm->name : "");
        return ret;
}

static void say(const struct token *token, const struct key_verdict *verdict)
{
        char ckr[CKR_TEXT], subject[SUBJECT_TEXT];

        log_warning("token %s: %s fail again and again (%s): requests for them are answered at once, and now "
                    "and then one is tried",
                token->name, subject_text(&verdict->of, subject),
                verdict->ckr ? ckr_text(verdict->ckr, ckr) : "the worker ends");
}

static void blame(struct token *token, const struct op *op, enum op_end end, uint64_t now)
{
        struct key_verdict *verdict = verdict_of(token, op);
        unsigned n = end == END_WORKER_LOST ? DEATH_FAILURES : 1;
        struct verdict_subject subject;

        if (!subject_of(op, &subject) || op->kind == MESSAGE_TYPE_SELF_SIGN)
                return;
        if (!verdict) {
                verdict = make_room(token);
                verdict->of = subject;
                if (subject.key)
                        entry_ref(subject.key);
        } else if (is_made(verdict) && !verdict->tried && now < verdict->until_usec) {
                return; /* it was under way before */
        }
        verdict->death = end == END_WORKER_LOST;
        verdict->ckr = op->ckr;
        verdict->tried = false;
        if (!is_made(verdict) && verdict->n + n >= VERDICT_FAILURES)
                say(token, verdict);
        verdict->n += n;
        if (is_made(verdict))
                verdict->until_usec = now + stands_usec(verdict);
}

static void acquit(struct token *token, const struct op *op)
{
        struct key_verdict *verdict = verdict_of(token, op);
        char text[SUBJECT_TEXT];

        if (!verdict)
                return;
        if (is_made(verdict))
                log_notice("token %s: %s succeed again", token->name, subject_text(&verdict->of, text));
        clear(verdict);
}

bool verdict_stands(struct token *token, struct op *op, uint64_t now, enum op_end *ret)
{
        const struct key_verdict *verdict = verdict_of(token, op);

        if (!is_made(verdict) || now >= verdict->until_usec)
                return false;
        op->ckr = verdict->ckr;
        *ret = verdict->ckr ? END_CKR : END_WORKER_LOST;
        return true;
}

bool verdict_refuses(struct token *token, struct op *op, uint64_t now, enum op_end *ret)
{
        struct key_verdict *verdict = verdict_of(token, op);

        if (verdict_stands(token, op, now, ret))
                return true;
        if (is_made(verdict)) {
                verdict->tried = true;
                verdict->until_usec = now + stands_usec(verdict);
        }
        return false;
}

/* ---- the device ---- */

/* A vague error. subject: the number of the object; 0: the token as a whole. */
static bool is_lost(struct doubt *doubt, uint64_t subject, uint64_t now)
{
        if (doubt->n++ == 0) {
                doubt->subject = subject;
                doubt->others = false;
                doubt->since_usec = now;
        }
        doubt->others |= doubt->subject != subject;
        if (doubt->n < DOUBT_ERRORS || now < doubt->again_usec ||
                (!doubt->others && now < doubt->since_usec + DOUBT_ALONE_USEC))
                return false;
        doubt->n = 0;
        doubt->again_usec = now + (DOUBT_AGAIN_USEC << doubt->n_lost);
        doubt->n_lost = MIN_OF(doubt->n_lost + 1, DOUBT_DOUBLINGS);
        return true;
}

bool verdict_learn(struct token *token, const struct op *op, enum op_end end, uint64_t now)
{
        if (op_is_tried(op))
                return false;
        if (end == END_OK) {
                if (op_is(op, CLASS_OBJECT | CLASS_CHANGES))
                        token->doubt = (struct doubt){0};
                acquit(token, op);
        } else if (end == END_WORKER_LOST) {
                blame(token, op, end, now);
        } else if (end == END_CKR &&
                   (ckr_class(op->ckr) == CKR_CLASS_DEVICE || ckr_class(op->ckr) == CKR_CLASS_SESSION)) {
                blame(token, op, end, now);
                return is_lost(&token->doubt, op->entry ? op->entry->number : 0, now);
        }
        return false;
}

void verdict_renew(struct token *token)
{
        token->doubt.n = 0;
        for (size_t i = 0; i < LIMIT_VERDICTS; i++)
                if (!token->verdicts[i].death)
                        token->verdicts[i].until_usec = 0;
}

void verdict_forget(struct token *token)
{
        for (size_t i = 0; i < LIMIT_VERDICTS; i++)
                clear(&token->verdicts[i]);
}
