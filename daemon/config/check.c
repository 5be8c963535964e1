/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The checks for which all lines must be known: keys that must be there, keys that exclude each other, references to tokens.
 * Also the values that follow from other sections: the token of a configuration without [Token], and where its databases
 * are. Runs once, after the last file.
 */
#include <string.h>

#include "daemon/config/keys.h"
#include "daemon/config/type.h"
#include "daemon/util/text.h"

static bool is_internal(const struct config_token *token)
{
        return token->module && strcmp(token->module, "internal") == 0;
}

static void default_directory(struct parser *parser, struct config_token *token)
{
        token->directory = text_format("%s/%s", parser->config->state_directory, token->name);
        if (!token->directory)
                parser->error = -ENOMEM;
}

/* What callers write before a colon and means something else than a token. */
static void check_token_name(struct parser *parser, const struct section *section, const char *name)
{
        if (strcmp(name, "pkcs11") == 0)
                parser_fault(parser, section->place,
                        "a token cannot be named pkcs11: callers write TOKEN:NICKNAME, and `pkcs11:` begins "
                        "a URI");
        if (strcmp(name, "sealed") == 0)
                parser_fault(parser, section->place,
                        "a token cannot be named sealed: callers write TOKEN:NICKNAME, and `sealed:` begins "
                        "a sealed key");
}

static void check_token(struct parser *parser, const struct section *section)
{
        struct config_token *token = section->object;
        struct place directory = key_place(section, offsetof(struct config_token, directory));
        struct place uri = key_place(section, offsetof(struct config_token, uri));

        check_token_name(parser, section, token->name);
        if (!key_place(section, offsetof(struct config_token, module)).file)
                parser_fault(parser, section->place,
                        "[Token %s] needs Module=: the path of a PKCS #11 module, or `internal`",
                        token->name);
        if (is_internal(token)) {
                if (uri.file)
                        parser_fault(parser, uri,
                                "Uri= cannot be used with Module=internal; Directory= says where its "
                                "databases are");
                if (!directory.file)
                        default_directory(parser, token);
        } else if (token->module && directory.file)
                parser_fault(parser, directory, "Directory= can be used with Module=internal only");
}

static void check_instance(struct parser *parser, const struct section *section)
{
        const struct config_instance *instance = section->object;

        if (!key_place(section, offsetof(struct config_instance, keys)).file)
                parser_fault(parser, section->place,
                        "[Instance %s] needs Keys=: globs of nicknames (Keys=* for all)", instance->name);
        if (!key_place(section, offsetof(struct config_instance, user)).file &&
                !key_place(section, offsetof(struct config_instance, group)).file &&
                !key_place(section, offsetof(struct config_instance, unit)).file)
                parser_fault(parser, section->place,
                        "[Instance %s] needs User=, Group= or Unit=: without them it would match every "
                        "caller",
                        instance->name);
}

static void check_sockets(struct parser *parser, const struct section *section)
{
        const struct config *config = section->object;
        struct place one = key_place(section, offsetof(struct config, socket));
        struct place two = key_place(section, offsetof(struct config, status_socket));

        if (strcmp(config->socket, config->status_socket) == 0)
                parser_fault(parser, two.file && (!one.file || two.line > one.line) ? two : one,
                        "Socket= and StatusSocket= must differ");
}

/* The key that signs the audit file must be on a configured token. */
static void check_audit(struct parser *parser, const struct section *section)
{
        const struct config *config = section->object;
        struct place place = key_place(section, offsetof(struct config, audit_key));
        _cleanup_(freep) char *name = NULL;
        const struct config_token *token;

        if (config->audit_required && config_audit_mode(config) == AUDIT_MODE_NONE)
                parser_fault(parser, key_place(section, offsetof(struct config, audit_required)),
                        "AuditRequired=yes cannot be used with Audit=none, since nothing is recorded");
        if (!config->audit_key)
                return;
        if (config_audit_mode(config) != AUDIT_MODE_FILE)
                parser_fault(parser, place, "AuditKey= can be used with Audit=file:PATH only");
        name = strndup(config->audit_key, strcspn(config->audit_key, ":"));
        if (!name) {
                parser->error = -ENOMEM;
                return;
        }
        token = config_token(config, name);
        if (token && token->role == ROLE_ACCELERATOR)
                parser_fault(parser, place,
                        "AuditKey=: [Token %s] has Role=accelerator and keeps no keys of its own", name);
        else if (!token && !parser->incomplete)
                parser_fault(parser, place, "AuditKey=: [Token %s] does not exist", name);
}

static void check_reference(struct parser *parser, const struct reference *reference)
{
        const struct config_token *token = config_token(parser->config, reference->name);
        const struct section *from = reference->section;

        if (!token) {
                if (!parser->incomplete)
                        parser_fault(parser, reference->place, "%s=: [Token %s] does not exist",
                                reference->key, reference->name);
        } else if (reference->kind == REFERENCE_ACCELERATOR && token == from->object)
                parser_fault(parser, reference->place, "%s= must name another token", reference->key);
        else if (reference->kind == REFERENCE_ACCELERATOR && token->role != ROLE_ACCELERATOR)
                parser_fault(parser, reference->place, "%s=: [Token %s] does not have Role=accelerator",
                        reference->key, reference->name);
        else if (reference->kind == REFERENCE_OWN && token->role == ROLE_ACCELERATOR)
                parser_fault(parser, reference->place,
                        "%s=: [Token %s] has Role=accelerator, so keys cannot be generated on it",
                        reference->key, reference->name);
}

/* Without any [Token] there is one internal token. */
static void add_default_token(struct parser *parser)
{
        struct config_token *token;

        for (size_t i = 0; i < parser->n_sections; i++)
                if (parser->sections[i]->kind == SECTION_TOKEN)
                        return;
        if (parser->incomplete)
                return;
        token = parser_add_token(parser, "internal");
        if (!token)
                return;
        parser->config->default_token = true;
        token->module = strdup("internal");
        if (!token->module)
                parser->error = -ENOMEM;
        default_directory(parser, token);
}

static void check_all(struct parser *parser)
{
        add_default_token(parser);
        for (size_t i = 0; i < parser->n_sections && !parser->error; i++) {
                const struct section *section = parser->sections[i];

                if (section->scrap || !section->object)
                        continue;
                if (section->kind == SECTION_TOKEN)
                        check_token(parser, section);
                else if (section->kind == SECTION_INSTANCE)
                        check_instance(parser, section);
                else {
                        check_sockets(parser, section);
                        check_audit(parser, section);
                }
        }
        for (size_t i = 0; i < parser->n_references && !parser->error; i++)
                check_reference(parser, &parser->references[i]);
}

int parser_finish(struct parser *parser, struct config **ret)
{
        check_all(parser);
        if (parser->error)
                return parser->error;
        if (parser->n_faults > 0)
                return 1;
        *ret = TAKE_PTR(parser->config);
        return 0;
}
