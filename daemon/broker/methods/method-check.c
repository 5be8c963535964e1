/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Certificates.Check: what lies on a token now, for whoever is to put a subsystem's objects there. Shows the
 * nicknames of all instances, and so has a right of its own. */
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/broker/token/live.h"
#include "daemon/util/ckm.h"
#include "daemon/util/text.h"
#include "gen/broker/methods/methods.h"

static const char *string_at(struct json_object *array, size_t i)
{
        return json_object_get_string(json_object_array_get_idx(array, i));
}

/* Whether the parameters can be; else the op has failed. */
static bool check_parameters(struct op *op, const struct certificates_check_parameters *p)
{
        uint64_t mechanism;

        for (size_t i = 0; i < json_object_array_length(p->nicknames); i++) {
                const char *nickname = string_at(p->nicknames, i);

                if (!text_is_nickname(nickname, strlen(nickname)))
                        return op_invalid(op, "nicknames", NICKNAME_REASON);
        }
        for (size_t i = 0; p->mechanisms && i < json_object_array_length(p->mechanisms); i++)
                if (!ckm_from_name(string_at(p->mechanisms, i), &mechanism))
                        return op_invalid(op, "mechanisms", "expected names of PKCS #11 (CKM_RSA_PKCS)");
        return true;
}

/* ---- what lies there ---- */

struct names {
        size_t n, length;
        const char **list; /* borrowed from the directory and the claims */
};

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_name(struct names *names, const char *name)
{
        if (name[0])
                names->list[names->n++] = name;
}

/* Sorted, each once. -ENOMEM. The caller frees the list. */
static int collect_names(struct token *token, struct names *ret)
{
        static const enum object_kind kinds[] = {OBJECT_KEY, OBJECT_CERTIFICATE, OBJECT_SECRET};
        struct names names = {0};
        size_t most = token->claims.n, n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                most += directory_count(token->directory, kinds[i]);
        names.list = calloc(most + 1, sizeof(*names.list));
        if (!names.list)
                return -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                struct entry *entry = NULL;

                while ((entry = directory_next(token->directory, kinds[i], entry)))
                        add_name(&names, entry->nickname);
        }
        for (size_t i = 0; i < token->claims.n; i++)
                add_name(&names, claims_nickname(&token->claims, i));
        qsort(names.list, names.n, sizeof(*names.list), compare_names);
        for (size_t i = 0; i < names.n; i++)
                if (n == 0 || strcmp(names.list[n - 1], names.list[i]) != 0) {
                        names.list[n++] = names.list[i];
                        names.length += strlen(names.list[i]) + 1;
                }
        names.n = n;
        *ret = names;
        return 0;
}

static bool has_name(const struct names *names, const char *name)
{
        return bsearch(&name, names->list, names->n, sizeof(*names->list), compare_names);
}

/* ---- the answer ---- */

/* What each reply has beside a part of `found`, whose names are the request's payload. It is the request's text. */
struct check_answer {
        bool empty;
        char *collisions, *missing; /* elements of arrays, as JSON, behind the struct */
};

/* Those of the strings that are wanted, as elements of an array, and a NUL. */
static void put_strings(struct output *output, struct json_object *strings,
        bool (*wanted)(const void *userdata, const char *string), const void *userdata)
{
        const char *comma = "";

        for (size_t i = 0; strings && i < json_object_array_length(strings); i++) {
                const char *string = string_at(strings, i);

                if (!wanted(userdata, string))
                        continue;
                output_text(output, comma);
                output_string(output, string);
                comma = ",";
        }
        output_bytes(output, "", 1);
}

static bool collides(const void *userdata, const char *nickname)
{
        return has_name(userdata, nickname);
}

static bool is_missing(const void *userdata, const char *name)
{
        uint64_t mechanism = 0;

        return ckm_from_name(name, &mechanism) && !token_has_mechanism(userdata, mechanism);
}

/* Keeps the answer: the token goes on changing while replies are written. */
static int keep_answer(struct op *op, struct token *token, const struct certificates_check_parameters *p,
        const struct names *names)
{
        struct output output = {0};
        struct check_answer *kept;
        size_t missing;
        unsigned char *at = malloc(names->length + 1);

        op->result = at;
        op->n_result = names->length;
        for (size_t i = 0; at && i < names->n; i++)
                at = (unsigned char *)stpcpy((char *)at, names->list[i]) + 1;
        output_bytes(&output, &(struct check_answer){0}, sizeof(*kept));
        put_strings(&output, p->nicknames, collides, names);
        missing = output_pending(&output);
        put_strings(&output, p->mechanisms, is_missing, token);
        if (output.failed || !op->result) {
                output_done(&output);
                return -ENOMEM;
        }
        op->reply_text = output.data;
        op_charge(op, output.size + op->n_result);
        kept = (void *)op->reply_text;
        kept->empty = directory_count(token->directory, OBJECT_KEY) == 0 &&
                      directory_count(token->directory, OBJECT_CERTIFICATE) == 0 &&
                      directory_count(token->directory, OBJECT_SECRET) == 0 && token->claims.n == 0;
        kept->collisions = op->reply_text + sizeof(*kept);
        kept->missing = op->reply_text + missing;
        return 0;
}

static void answer(struct op *op)
{
        struct names names = {0};
        int r = collect_names(op->token, &names);

        if (r == 0)
                r = keep_answer(op, op->token, (void *)op->parameters, &names);
        free(names.list);
        op_refuse(op, r < 0 ? END_NO_MEMORY : END_OK);
}

/* As the token is now: a refresh that was sent after this was asked for has to be back. */
void certificates_check(struct op *op)
{
        const struct certificates_check_parameters *p = (void *)op->parameters;
        struct token *token;
        bool serving;

        if (!op_may(op, RIGHT_CHECK) || !check_parameters(op, p) || !op_find_token(op, p->token))
                return;
        token = op->token;
        serving = token->directory && token->worker->phase == WORKER_SERVING;
        if (serving && token->refreshed_usec >= op->received_usec)
                answer(op);
        else if (serving && op->looked && token->refresh_sent_usec >= op->received_usec &&
                 !worker_has_out(token->worker, MESSAGE_TYPE_REFRESH)) {
                op->ckr = token->refresh_ckr;
                op_refuse(op, op->ckr ? END_CKR : END_NO_MEMORY);
        } else {
                token_refresh(token);
                op_wait(op, token, certificates_check);
        }
}

/* Bytes of a reply, but for its envelope and a last name. */
#define CHECK_REPLY (LIMIT_MESSAGE - 4096U)

/* Names into this reply: as many as fit beside the rest, at least one. */
static void put_found(struct output *output, void *userdata)
{
        struct op *op = userdata;
        const struct check_answer *kept = (const void *)op->reply_text;
        size_t rest = strlen(kept->collisions) + strlen(kept->missing);
        size_t start = output_pending(output), first = op->result_at;

        while (op->result_at < op->n_result) {
                const char *name = (const char *)op->result + op->result_at;

                if (op->result_at > first && output_pending(output) - start + rest > CHECK_REPLY)
                        break;
                output_text(output, op->result_at > first ? "," : "");
                output_string(output, name);
                op->result_at += strlen(name) + 1;
        }
}

static void put_kept(struct output *output, void *userdata)
{
        output_text(output, userdata);
}

enum render certificates_check_render(struct op *op, struct output *output)
{
        const struct check_answer *kept = (const void *)op->reply_text;

        certificates_check_reply_put(output, &(struct certificates_check_reply){
                                                     .empty = kept->empty,
                                                     .found = {put_found, op},
                                                     .collisions = {put_kept, kept->collisions},
                                                     .missing_mechanisms = {put_kept, kept->missing},
                                             });
        if (op->result_at < op->n_result && !op->more) {
                op_fail(op, PROTO_EXPECTED_MORE, NULL);
                return RENDER_FAILED;
        }
        return op->result_at < op->n_result ? RENDER_MORE : RENDER_LAST;
}
