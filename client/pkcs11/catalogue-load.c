/* SPDX-License-Identifier: MPL-2.0 */
/* See catalogue.h: what the daemon says becomes slots and objects. */
#include "client/pkcs11/catalogue.h"

#include <string.h>

#include "daemon/util/unnamed.h"

/* FNV-1a, in 31 bits: programs print it as a signed number of 32. Two names of one number: the second gets the next one. */
static CK_SLOT_ID slot_id(const struct catalogue *catalogue, const char *name)
{
        uint32_t hash = 2166136261U;

        for (; *name; name++)
                hash = (hash ^ (unsigned char)*name) * 16777619U;
        hash &= 0x7fffffffU;
        while (catalogue_slot(catalogue, hash))
                hash = (hash + 1) & 0x7fffffffU;
        return hash;
}

/* What the daemon does not know of a token yet, or the token does not say, is left open. */
static void put_part(struct buffer *out, const char *part, const char *value)
{
        if (!value || value[0] == '\0')
                return;
        buffer_put_format(out, "%s%s=", out->length > strlen("pkcs11:") ? ";" : "", part);
        put_percent(out, value, strlen(value));
}

static bool add_slot(struct catalogue *catalogue, const struct tokend_token *token)
{
        struct p11_slot *slot = &catalogue->slots[catalogue->n_slots];
        _cleanup_(buffer_done) struct buffer uri = {0};

        buffer_put_text(&uri, "pkcs11:");
        put_part(&uri, "token", token->label);
        put_part(&uri, "serial", token->serial);
        put_part(&uri, "manufacturer", token->manufacturer);
        put_part(&uri, "model", token->model);
        *slot = (struct p11_slot){slot_id(catalogue, token->name), token, buffer_take(&uri), false};
        if (!slot->uri)
                return false;
        catalogue->n_slots++;
        return true;
}

static bool add_slots(struct catalogue *catalogue, const struct settings *settings)
{
        catalogue->slots = calloc(catalogue->tokens->n_tokens + 1, sizeof(*catalogue->slots));
        if (!catalogue->slots)
                return false;
        for (size_t i = 0; i < catalogue->tokens->n_tokens; i++) {
                const struct tokend_token *token = catalogue->tokens->tokens[i];

                if (settings_shows(settings->tokens, token->name) && !add_slot(catalogue, token))
                        return false;
        }
        return true;
}

/* Takes the object, which may be NULL: no memory. */
static bool add_object(struct catalogue *catalogue, struct p11_object *object)
{
        struct p11_object **grown;

        if (!object)
                return false;
        grown = reallocarray(catalogue->objects, catalogue->n_objects + 1, sizeof(struct p11_object *));
        if (!grown) {
                object_unref(object);
                return false;
        }
        catalogue->objects = grown;
        grown[catalogue->n_objects++] = object;
        return true;
}

static struct p11_slot *slot_named(const struct catalogue *catalogue, const char *token)
{
        for (size_t i = 0; i < catalogue->n_slots; i++)
                if (strcmp(catalogue->slots[i].token->name, token) == 0)
                        return &catalogue->slots[i];
        return NULL;
}

/* A key that has no name yet is shown to the program that made it, or that could not name it. */
static bool shows_key(const struct settings *settings, const struct tokend_key *key)
{
        return settings_shows(settings->keys, key->nickname) || nickname_is_unnamed(key->nickname);
}

static bool add_keys(struct catalogue *catalogue, const struct settings *settings,
        const struct tokend_keys *keys, const char *type)
{
        for (size_t i = 0; i < keys->n_keys; i++) {
                const struct tokend_key *key = keys->keys[i];
                const struct p11_slot *slot = slot_named(catalogue, key->token);
                struct object_place where;

                if (!slot || strcmp(key->type, type) != 0 || !shows_key(settings, key))
                        continue;
                where = (struct object_place){slot->id, slot->uri};
                if (!add_object(catalogue, object_private_key(where, key)))
                        return false;
                if (key->public_key_length > 0 && !add_object(catalogue, object_public_key(where, key)))
                        return false;
        }
        return true;
}

static bool add_certificates(struct catalogue *catalogue, const struct settings *settings,
        const struct tokend_certificates *certificates)
{
        for (size_t i = 0; i < certificates->n_certificates; i++) {
                const struct tokend_certificate *certificate = certificates->certificates[i];
                const struct p11_slot *slot = slot_named(catalogue, certificate->token);

                if (!slot || !settings_shows(settings->keys, certificate->nickname))
                        continue;
                if (!add_object(catalogue,
                            object_certificate((struct object_place){slot->id, slot->uri}, certificate)))
                        return false;
        }
        return true;
}

static bool add_secrets(struct catalogue *catalogue, const struct settings *settings)
{
        for (size_t i = 0; catalogue->secrets && i < catalogue->secrets->n_secrets; i++) {
                const struct tokend_secret *secret = catalogue->secrets->secrets[i];
                const struct p11_slot *slot = slot_named(catalogue, secret->token);

                if (!slot || !settings_shows(settings->keys, secret->nickname))
                        continue;
                if (!add_object(
                            catalogue, object_secret_key((struct object_place){slot->id, slot->uri}, secret)))
                        return false;
        }
        return true;
}

static void mark_awaited(struct catalogue *catalogue, const struct tokend_list_end *end)
{
        for (size_t i = 0; i < end->n_unavailable; i++) {
                struct p11_slot *slot = slot_named(catalogue, end->unavailable[i]->token);

                if (slot)
                        slot->awaited = strcmp(end->unavailable[i]->state, "failed") != 0 &&
                                        strcmp(end->unavailable[i]->state, "disabled") != 0;
        }
}

/* What the module is, for programs that ask: they read certificates without a login then. */
static bool add_profiles(struct catalogue *catalogue)
{
        static const CK_ULONG profiles[] = {CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER,
                CKP_AUTHENTICATION_TOKEN, CKP_PUBLIC_CERTIFICATES_TOKEN};

        for (size_t i = 0; i < catalogue->n_slots; i++)
                for (size_t j = 0; j < ARRAY_SIZE(profiles); j++)
                        if (!add_object(catalogue, object_profile(catalogue->slots[i].id, profiles[j])))
                                return false;
        return true;
}

/* A token that is recovering has its objects still: calls wait for it. end: of the list that has the certificates, or the keys. */
static bool keep_objects(struct catalogue *catalogue, const struct catalogue *old,
        const struct tokend_list_end *end, bool certificates)
{
        for (size_t i = 0; i < end->n_unavailable; i++) {
                const struct p11_slot *slot = slot_named(catalogue, end->unavailable[i]->token);

                for (size_t j = 0; slot && j < old->n_objects; j++) {
                        struct p11_object *object = old->objects[j];

                        if (object->slot == slot->id && object->class != CKO_PROFILE &&
                                (object->class == CKO_CERTIFICATE) == certificates &&
                                !add_object(catalogue, object_ref(object)))
                                return false;
                }
        }
        return true;
}

static bool add_all(struct catalogue *catalogue, const struct settings *settings,
        const struct tokend_keys *keys, const struct tokend_certificates *certificates,
        const struct catalogue *old)
{
        /* libp11 gives up at the first key of a type that it does not know; what comes before it is found. */
        static const char *const types[] = {"rsa", "ec", "ed25519"};

        for (size_t i = 0; i < ARRAY_SIZE(types) - settings->no_ed25519; i++)
                if (!add_keys(catalogue, settings, keys, types[i]))
                        return false;
        return add_secrets(catalogue, settings) && add_certificates(catalogue, settings, certificates) &&
               add_profiles(catalogue) &&
               (!old || (keep_objects(catalogue, old, keys->end, false) &&
                                keep_objects(catalogue, old, certificates->end, true)));
}

static bool are_same_tokens(const struct tokend_tokens *a, const struct tokend_tokens *b)
{
        if (a->n_tokens != b->n_tokens)
                return false;
        for (size_t i = 0; i < a->n_tokens; i++)
                if (strcmp(a->tokens[i]->json, b->tokens[i]->json) != 0)
                        return false;
        return true;
}

static bool are_same_secrets(const struct tokend_secrets *a, const struct tokend_secrets *b)
{
        if (!a || !b || a->n_secrets != b->n_secrets)
                return a == b;
        for (size_t i = 0; i < a->n_secrets; i++)
                if (strcmp(a->secrets[i]->json, b->secrets[i]->json) != 0)
                        return false;
        return true;
}

/* What the daemon was asked, before it becomes a catalogue. */
struct answers {
        struct tokend_tokens *tokens;
        struct tokend_secrets *secrets;
        struct tokend_keys *keys;
        struct tokend_certificates *certificates;
};

static void answers_done(struct answers *answers)
{
        tokend_tokens_free(answers->tokens);
        tokend_secrets_free(answers->secrets);
        tokend_keys_free(answers->keys);
        tokend_certificates_free(answers->certificates);
}

/* old NULL: the lists are wanted whole. */
static enum tokend_error ask(struct tokend *handle, const struct catalogue *old, struct answers *answers)
{
        enum tokend_error error = tokend_tokens(handle, LOOK_MS, &answers->tokens, NULL);

        if (error == TOKEND_OK)
                error = tokend_list_since(
                        handle, NULL, NULL, old ? old->keys_state : NULL, LOOK_MS, &answers->keys, NULL);
        if (error == TOKEND_OK)
                error = tokend_list_certificates_since(handle, NULL, NULL,
                        old ? old->certificates_state : NULL, LOOK_MS, &answers->certificates, NULL);
        if (error == TOKEND_OK)
                error = tokend_secrets_list(handle, NULL, NULL, LOOK_MS, &answers->secrets, NULL);
        /* A daemon that is older has no secrets. */
        return error == TOKEND_INTERFACE_NOT_FOUND || error == TOKEND_METHOD_NOT_FOUND ? TOKEND_OK : error;
}

static char *copy_state(const char *state, bool *failed)
{
        char *copy = state ? strdup(state) : NULL;

        *failed |= state && !copy;
        return copy;
}

struct catalogue *catalogue_empty(void)
{
        struct catalogue *catalogue = calloc(1, sizeof(*catalogue));

        if (catalogue)
                catalogue->refs = 1;
        return catalogue;
}

static struct catalogue *build(
        struct answers *answers, const struct settings *settings, const struct catalogue *old)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = catalogue_empty();
        bool failed = false;

        if (!catalogue)
                return NULL;
        catalogue->tokens = TAKE_PTR(answers->tokens);
        catalogue->secrets = TAKE_PTR(answers->secrets);
        catalogue->keys_state = copy_state(answers->keys->end->state, &failed);
        catalogue->certificates_state = copy_state(answers->certificates->end->state, &failed);
        if (failed || !add_slots(catalogue, settings) ||
                !add_all(catalogue, settings, answers->keys, answers->certificates, old))
                return NULL;
        mark_awaited(catalogue, answers->keys->end);
        return TAKE_PTR(catalogue);
}

enum tokend_error catalogue_load(
        struct tokend *handle, const struct settings *settings, struct catalogue *old, struct catalogue **ret)
{
        _cleanup_(answers_done) struct answers answers = {0};
        enum tokend_error error = ask(handle, old, &answers);
        struct catalogue *catalogue;

        if (error != TOKEND_OK)
                return error;
        /* A daemon that says so without having been asked is none of ours. */
        if (old && old->tokens && (answers.keys->end->unchanged || answers.certificates->end->unchanged)) {
                if (answers.keys->end->unchanged && answers.certificates->end->unchanged &&
                        are_same_tokens(old->tokens, answers.tokens) &&
                        are_same_secrets(old->secrets, answers.secrets)) {
                        *ret = catalogue_ref(old);
                        return TOKEND_OK;
                }
                answers_done(&answers);
                answers = (struct answers){0};
                error = ask(handle, NULL, &answers);
                if (error != TOKEND_OK)
                        return error;
        }
        catalogue = build(&answers, settings, old);
        if (!catalogue)
                return TOKEND_NO_MEMORY;
        *ret = catalogue;
        return TOKEND_OK;
}
