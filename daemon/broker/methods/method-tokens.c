/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys.Tokens: the tokens that the caller may use, as they are now. */
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/util/ckm.h"
#include "gen/broker/methods/methods.h"

/* As of List: a reply of several is not longer than this but by its last token. The other is its envelope, with room to spare. */
#define TOKENS_REPLY    (LIMIT_MESSAGE / 4)
#define TOKENS_ENVELOPE 64U

static void put_mechanisms(struct output *output, void *userdata)
{
        const struct mechanisms *list = userdata;
        char buffer[CKM_TEXT];

        for (size_t i = 0; i < list->n; i++) {
                output_text(output, i > 0 ? "," : "");
                output_string(output, ckm_text(list->types[i], buffer));
        }
}

/* One element, and the NUL that ends it here. */
static void put_token(
        struct output *output, const struct op *op, struct token *token, const struct config_instance *policy)
{
        char reason[OP_REASON_SIZE];
        const char(*parts)[URI_PART_MAX + 1] = token->identity.parts;

        keys_token_put(output, &(struct keys_token){
                                       .name = token->name,
                                       .state = token_state_name(token->state),
                                       .reason = token->reason[0] ? op_reason(op, token, reason) : NULL,
                                       .label = token->known ? parts[URI_TOKEN] : "",
                                       .manufacturer = token->known ? parts[URI_MANUFACTURER] : "",
                                       .model = token->known ? parts[URI_MODEL] : "",
                                       .serial = token->known ? parts[URI_SERIAL] : "",
                                       .rights = {steps_put_rights, (void *)(uintptr_t)policy},
                                       .mechanisms = {put_mechanisms, &token->mechanisms},
                                       .wraps = {put_mechanisms, &token->wraps},
                                       .unwraps = {put_mechanisms, &token->unwraps},
                               });
        output_bytes(output, "", 1);
}

/* All of them now, so that a reply of several is of one moment. */
void keys_tokens(struct op *op)
{
        const struct config_instance *policy;
        const struct config_token *own;
        struct output output = {0};

        if (!op_may(op, RIGHT_LIST))
                return;
        policy = op_policy(op);
        own = policy_own_token(op->broker->config, policy);
        if (own && policy_sees_token(policy, own))
                put_token(&output, op, registry_token(op->broker, own->name), policy);
        LINK_FOREACH(at, &op->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (token->config != own && policy_sees_token(policy, token->config))
                        put_token(&output, op, token, policy);
        }
        if (output.failed) {
                output_done(&output);
                op_refuse(op, END_NO_MEMORY);
                return;
        }
        op->n_result = output_pending(&output);
        op->result = (unsigned char *)TAKE_PTR(output.data);
        op_charge(op, op->n_result);
        op_done(op);
}

static void put_tokens(struct output *output, void *userdata)
{
        struct op *op = userdata;
        size_t start = output_pending(output);

        for (size_t first = op->result_at; op->result_at < op->n_result;) {
                const char *element = (const char *)op->result + op->result_at;
                size_t length = output_pending(output) - start, n = strlen(element);

                if (length > 0 &&
                        (op->more ? length > TOKENS_REPLY : length + n + TOKENS_ENVELOPE > LIMIT_MESSAGE))
                        break;
                output_text(output, op->result_at > first ? "," : "");
                output_bytes(output, element, n);
                op->result_at += n + 1;
        }
}

enum render keys_tokens_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);

        keys_tokens_reply_put(output, &(struct keys_tokens_reply){{put_tokens, op}});
        if (!op->more && (op->result_at < op->n_result || output_pending(output) - start > LIMIT_MESSAGE)) {
                op_fail(op, PROTO_EXPECTED_MORE, NULL);
                return RENDER_FAILED;
        }
        return op->result_at < op->n_result ? RENDER_MORE : RENDER_LAST;
}
