/* SPDX-License-Identifier: MPL-2.0 */
/* What the policy says of somebody: io.tokend.Keys.WhoAmI of the caller itself, io.tokend.Status.May of anybody. It is asked as any
 * call asks it, and there is no other one. Neither waits for anything. */
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/util/text.h"
#include "gen/broker/methods/methods.h"

/* The answer is of now, and is written when its turn has come. */
static void keep_answer(struct op *op, struct output *output)
{
        output_bytes(output, "", 1);
        if (output->failed) {
                output_done(output);
                op_refuse(op, END_NO_MEMORY);
                return;
        }
        op->reply_text = TAKE_PTR(output->data);
        op_charge(op, output->size);
        op_done(op);
}

static enum render put_answer(struct op *op, struct output *output)
{
        output_text(output, op->reply_text);
        return RENDER_LAST;
}

/* ---- WhoAmI ---- */

static void put_groups(struct output *output, void *userdata)
{
        const struct caller *caller = userdata;

        for (size_t i = 0; i < caller->n_groups; i++)
                output_format(output, "%s%u", i > 0 ? "," : "", (unsigned)caller->groups[i]);
}

static void put_keys(struct output *output, void *userdata)
{
        const struct config_instance *policy = userdata;

        for (char **glob = policy->keys; *glob; glob++) {
                output_text(output, glob > policy->keys ? "," : "");
                output_string(output, *glob);
        }
}

void keys_who_am_i(struct op *op)
{
        const struct config_instance *policy = op_policy(op);
        const struct config_token *token = policy ? policy_own_token(op->broker->config, policy) : NULL;
        void *userdata = (void *)(uintptr_t)policy;
        struct output output = {0};

        keys_who_am_i_reply_put(&output, &(struct keys_who_am_i_reply){
                                                 .uid = op->caller->uid,
                                                 .gid = op->caller->gid,
                                                 .groups = {put_groups, op->caller},
                                                 .unit = op->caller->unit,
                                                 .instance = policy ? policy->name : NULL,
                                                 .token = token ? token->name : NULL,
                                                 .keys = {policy ? put_keys : NULL, userdata},
                                                 .rights = {policy ? steps_put_rights : NULL, userdata},
                                         });
        keep_answer(op, &output);
}

enum render keys_who_am_i_render(struct op *op, struct output *output)
{
        return put_answer(op, output);
}

/* ---- May ---- */

/* false: they are no groups. -1 is none. */
static bool take_groups(struct json_object *array, struct caller *caller)
{
        size_t n = array ? json_object_array_length(array) : 0;

        caller->groups = calloc(n + 1, sizeof(*caller->groups));
        for (size_t i = 0; caller->groups && i < n; i++) {
                const char *text = json_object_get_string(json_object_array_get_idx(array, i));
                uint64_t group;

                if (text_digits(&text, &group) < 0 || *text || group >= UINT32_MAX)
                        return false;
                caller->groups[caller->n_groups++] = (gid_t)group;
        }
        return true;
}

/* Whether the right is also about what is not there yet. */
static bool makes(unsigned right)
{
        return right & (RIGHT_GENERATE | RIGHT_IMPORT);
}

/* Of which kinds what is named may be, for this right: of one after the other. */
static const enum object_kind *kinds_of(unsigned right)
{
        static const enum object_kind certificate[] = {OBJECT_CERTIFICATE, 0},
                                      any[] = {OBJECT_KEY, OBJECT_SECRET, OBJECT_CERTIFICATE, 0};

        return right == RIGHT_DELETE_CERT ? certificate : any;
}

/* How many objects the instance sees by that name. 1: it does not parse; -ENOMEM. */
static int see(struct op *op, const struct config_instance *policy, unsigned right, const char *key,
        struct finding *ret)
{
        for (const enum object_kind *kind = kinds_of(right);; kind++) {
                int r = finding_make(op->broker, policy, *kind, key, ret);

                if (r != 0 || ret->n > 0 || !kind[1])
                        return r;
                finding_done(ret);
        }
}

/* Why not, in a word; NULL: it may. op->as is the instance, and what it sees by that name is in finding. */
static const char *judge(struct op *op, unsigned right, const struct finding *finding, bool others)
{
        const char *nickname = finding->name.nickname;
        enum denial denial;

        if (finding->n > 1)
                return "AmbiguousName";
        op->token = finding->token;
        if (finding->n == 0 && makes(right)) {
                if (!finding->token)
                        return "TokenNotFound";
                if (!nickname || !policy_sees_nickname(op->as, nickname))
                        return denial_word(DENIAL_NOT_THIS_KEY);
                op->nickname = nickname;
        } else if (finding->n == 0) {
                return others ? denial_word(DENIAL_NOT_THIS_KEY) : "KeyNotFound";
        } else {
                op_set_entry(op, finding->entry);
        }
        denial = op_denial(op, right);
        return denial == DENIAL_NONE ? NULL : denial_word(denial);
}

/* 1: the name does not parse; -ENOMEM. */
static int judge_key(struct op *op, unsigned right, const char *key, const char **ret)
{
        /* What is there at all: by a nickname alone, on the same token. */
        struct config_instance everything = policy_default_instance;
        struct finding finding = {0}, all = {0};
        int r = see(op, op->as, right, key, &finding);

        if (r != 0)
                return r;
        if (finding.name.nickname && !finding.name.token)
                everything.token = op->as->token;
        r = see(op, &everything, right, key, &all);
        if (r == 0) {
                *ret = judge(op, right, &finding, all.n > 0);
                finding_done(&all);
        }
        op->nickname = NULL;
        finding_done(&finding);
        return r;
}

static void answer_may(struct op *op, const struct caller *caller, const char *reason)
{
        const char *lacks = NULL;
        const struct config_instance *nearest =
                op->as ? NULL : policy_nearest(op->broker->config, caller, &lacks);
        struct output output = {0};

        status_may_reply_put(&output, &(struct status_may_reply){
                                              .allowed = !reason,
                                              .instance = op->as ? op->as->name : NULL,
                                              .reason = reason,
                                              .nearest = nearest ? nearest->name : NULL,
                                              .nearest_lacks = nearest ? lacks : NULL,
                                      });
        keep_answer(op, &output);
}

static void judge_caller(struct op *op, const struct status_may_parameters *p, const struct caller *caller)
{
        unsigned right = config_right_from_name(p->operation);
        const char *reason = denial_word(DENIAL_NO_INSTANCE);
        int r = 0;

        op->as = policy_match(op->broker->config, caller, op->broker->own_uid);
        op->as_right = right;
        if (op->as && p->key) {
                r = judge_key(op, right, p->key, &reason);
        } else if (op->as) {
                enum denial denial = op_denial(op, right);

                reason = denial == DENIAL_NONE ? NULL : denial_word(denial);
        }
        op->token = NULL;
        if (r < 0)
                op_refuse(op, END_NO_MEMORY);
        else if (r > 0)
                op_bad_name(op, p->key, "key");
        else
                answer_may(op, caller, reason);
        op->as = NULL;
}

void status_may(struct op *op)
{
        const struct status_may_parameters *p = (void *)op->parameters;
        struct caller caller = {.uid = (uid_t)p->uid, .gid = (gid_t)p->gid};

        if (!op_is_operators(op)) {
                op_denied(op, "may", DENIAL_NOT_OPERATOR);
                return;
        }
        if (config_right_from_name(p->operation) == 0) {
                op_invalid(op, "operation", "expected a word of Allow= (tokend.conf(5))");
                return;
        }
        /* Nothing writes it. */
        caller.unit = (char *)(uintptr_t)p->unit;
        if (!take_groups(p->groups, &caller))
                op_invalid(op, "groups", "expected numbers of groups");
        else if (!caller.groups)
                op_refuse(op, END_NO_MEMORY);
        else
                judge_caller(op, p, &caller);
        free(caller.groups);
}

enum render status_may_render(struct op *op, struct output *output)
{
        return put_answer(op, output);
}
