/* SPDX-License-Identifier: MPL-2.0 */
/* See catalogue.h. */
#include "client/pkcs11/catalogue.h"

#include <string.h>

#include "daemon/util/unnamed.h"

/* Milliseconds for each of the three questions. A program must come up although the daemon does not answer. */
#define LOOK_MS 10000

struct catalogue *catalogue_ref(struct catalogue *catalogue)
{
        atomic_fetch_add(&catalogue->refs, 1);
        return catalogue;
}

void catalogue_unref(struct catalogue *catalogue)
{
        if (!catalogue || atomic_fetch_sub(&catalogue->refs, 1) != 1)
                return;
        for (size_t i = 0; i < catalogue->n_slots; i++)
                free(catalogue->slots[i].uri);
        for (size_t i = 0; i < catalogue->n_objects; i++)
                object_unref(catalogue->objects[i]);
        free(catalogue->slots);
        free(catalogue->objects);
        free(catalogue->by_handle);
        tokend_tokens_free(catalogue->tokens);
        free(catalogue->keys_state);
        free(catalogue->certificates_state);
        free(catalogue);
}

const struct p11_slot *catalogue_slot(const struct catalogue *catalogue, CK_SLOT_ID id)
{
        for (size_t i = 0; i < catalogue->n_slots; i++)
                if (catalogue->slots[i].id == id)
                        return &catalogue->slots[i];
        return NULL;
}

static bool has_word(const char *const *words, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

bool slot_allows(const struct p11_slot *slot, const char *right)
{
        return has_word(slot->token->rights, slot->token->n_rights, right);
}

bool slot_has(const struct p11_slot *slot, const char *mechanism)
{
        return has_word(slot->token->mechanisms, slot->token->n_mechanisms, mechanism);
}

/* ---- loading ---- */

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

static void put_part(struct buffer *out, const char *part, const char *value)
{
        if (!value)
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
        *slot = (struct p11_slot){slot_id(catalogue, token->name), token, buffer_take(&uri)};
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

static const struct p11_slot *slot_named(const struct catalogue *catalogue, const char *token)
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
                const struct p11_slot *slot = slot_named(catalogue, end->unavailable[i].token);

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
        return add_certificates(catalogue, settings, certificates) && add_profiles(catalogue) &&
               (!old || (keep_objects(catalogue, old, &keys->end, false) &&
                                keep_objects(catalogue, old, &certificates->end, true)));
}

static bool is_same_token(const struct tokend_token *a, const struct tokend_token *b)
{
        return strcmp(a->json, b->json) == 0;
}

static bool are_same_tokens(const struct tokend_tokens *a, const struct tokend_tokens *b)
{
        if (a->n_tokens != b->n_tokens)
                return false;
        for (size_t i = 0; i < a->n_tokens; i++)
                if (!is_same_token(a->tokens[i], b->tokens[i]))
                        return false;
        return true;
}

/* What the daemon was asked, before it becomes a catalogue. */
struct answers {
        struct tokend_tokens *tokens;
        struct tokend_keys *keys;
        struct tokend_certificates *certificates;
};

static void answers_done(struct answers *answers)
{
        tokend_tokens_free(answers->tokens);
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
        return error;
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
        catalogue->keys_state = copy_state(answers->keys->end.state, &failed);
        catalogue->certificates_state = copy_state(answers->certificates->end.state, &failed);
        if (failed || !add_slots(catalogue, settings) ||
                !add_all(catalogue, settings, answers->keys, answers->certificates, old))
                return NULL;
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
        if (answers.keys->end.unchanged || answers.certificates->end.unchanged) {
                if (answers.keys->end.unchanged && answers.certificates->end.unchanged &&
                        are_same_tokens(old->tokens, answers.tokens)) {
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

/* ---- handles ---- */

static int by_handle(const void *a, const void *b)
{
        CK_ULONG one = (*(struct p11_object *const *)a)->handle,
                 other = (*(struct p11_object *const *)b)->handle;

        return one < other ? -1 : one > other;
}

CK_RV catalogue_number(struct catalogue *catalogue, struct handles *handles)
{
        if (catalogue->by_handle)
                return CKR_OK;
        catalogue->by_handle = calloc(catalogue->n_objects + 1, sizeof(struct p11_object *));
        if (!catalogue->by_handle)
                return CKR_HOST_MEMORY;
        for (size_t i = 0; i < catalogue->n_objects; i++) {
                struct p11_object *object = catalogue->objects[i];

                /* One that was kept from an older catalogue has it already, and other threads read it. */
                if (object->handle == 0)
                        object->handle = handles_of(handles, object);
                if (object->handle == 0)
                        return CKR_HOST_MEMORY;
                catalogue->by_handle[i] = object;
        }
        qsort(catalogue->by_handle, catalogue->n_objects, sizeof(struct p11_object *), by_handle);
        return CKR_OK;
}

static int compare_handle(const void *handle, const void *object)
{
        CK_ULONG one = *(const CK_ULONG *)handle, other = (*(struct p11_object *const *)object)->handle;

        return one < other ? -1 : one > other;
}

struct p11_object *catalogue_object(const struct catalogue *catalogue, CK_OBJECT_HANDLE handle)
{
        struct p11_object **found = bsearch(&handle, catalogue->by_handle, catalogue->n_objects,
                sizeof(struct p11_object *), compare_handle);

        return found ? *found : NULL;
}
