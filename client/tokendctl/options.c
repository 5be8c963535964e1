/* SPDX-License-Identifier: MPL-2.0 */
/* See options.h. An option puts its argument into struct ctl_options, sets a switch there, or has a function of its own. */
#include "client/tokendctl/options.h"
#include "client/tokendctl/names.h"

#include <getopt.h>
#include <string.h>

#include "daemon/util/duration.h"
#include "daemon/util/text.h"
#include "gen/proto/enums.h"
#include "proto/limits.h"

struct option_row {
        const char *name;
        bool has_argument;
        size_t place; /* where parse is NULL: of a string, or of a bool for an option without an argument */
        int (*parse)(struct ctl_options *o, const char *text);
};

/* words: "rsa, ec"; text into *ret if it is one of them. */
static int parse_word(const char *option, const char *words, const char *text, const char **ret)
{
        size_t length = strlen(text);

        for (const char *at = words; *at; at += strspn(at, ", ")) {
                size_t n = strcspn(at, ",");

                if (n == length && strncmp(at, text, n) == 0) {
                        *ret = text;
                        return EXIT_DONE;
                }
                at += n;
        }
        return usage("--%s: expected one of %s, not '%s'", option, words, text);
}

/* Decimal digits. false: the text is something else, or the number is not within least and most. */
static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
        const char *at = text;

        return text_digits(&at, ret) == 0 && !*at && *ret >= least && *ret <= most;
}

static int parse_timeout(struct ctl_options *o, const char *text)
{
        uint64_t usec;

        if (duration_parse(text, &usec) < 0 || usec < USEC_PER_MSEC ||
                usec > LIMIT_TIMEOUT_MS * USEC_PER_MSEC)
                return usage("--timeout: expected a duration from 1ms to 10min, not '%s'", text);
        o->timeout_ms = (int)(usec / USEC_PER_MSEC);
        return EXIT_DONE;
}

static const char *name_or(const char *name, const char *text)
{
        return name ? name : text;
}

static int parse_type(struct ctl_options *o, const char *text)
{
        text = name_or(name_of_type(text), text);
        return parse_word("type", KEYS_KEY_TYPE_WORDS ", aes, des2, des3, generic", text, &o->type);
}

static int parse_size(struct ctl_options *o, const char *text)
{
        uint64_t size;

        if (!parse_number(text, LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX, &size) || size % 8 != 0)
                return usage(
                        "--size: expected a number of bits from %u to %u that is a multiple of 8, not '%s'",
                        LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX, text);
        o->size = (int)size;
        return EXIT_DONE;
}

static int parse_length(struct ctl_options *o, const char *text)
{
        uint64_t length;

        if (!parse_number(text, 1, LIMIT_GENERIC_SECRET, &length))
                return usage("--length: expected a number of bytes from 1 to %u, not '%s'",
                        LIMIT_GENERIC_SECRET, text);
        o->length = (int)length;
        return EXIT_DONE;
}

static int parse_bit(struct ctl_options *o, const char *text)
{
        uint64_t bit;

        if (!parse_number(text, 0, 8 * LIMIT_GENERIC_SECRET, &bit))
                return usage("--bit: expected the number of a bit of the key, not '%s'", text);
        o->bit = (int)bit;
        return EXIT_DONE;
}

static int parse_curve(struct ctl_options *o, const char *text)
{
        text = name_or(name_of_curve(text), text);
        return parse_word("curve", "secp256r1, secp384r1, secp521r1", text, &o->curve);
}

static int parse_algorithm(struct ctl_options *o, const char *text)
{
        o->algorithm = name_of_algorithm(text);
        return o->algorithm
                       ? EXIT_DONE
                       : usage("--algorithm: unknown algorithm '%s'; `tokendctl help algorithms` lists them",
                                 text);
}

static int parse_salt_length(struct ctl_options *o, const char *text)
{
        uint64_t length;

        if (!parse_number(text, 0, LIMIT_SIGNATURE, &length))
                return usage("--salt-length: expected a number of bytes, not '%s'", text);
        o->salted = true;
        o->salt_length = (int)length;
        return EXIT_DONE;
}

static int parse_seq(const char *option, const char *text, uint64_t *ret)
{
        return parse_number(text, 1, UINT64_MAX, ret)
                       ? EXIT_DONE
                       : usage("--%s: expected the number of a record, not '%s'", option, text);
}

static int parse_first_seq(struct ctl_options *o, const char *text)
{
        return parse_seq("first-seq", text, &o->first_seq);
}

static int parse_expect_seq(struct ctl_options *o, const char *text)
{
        return parse_seq("expect-seq", text, &o->expect_seq);
}

static int parse_days(struct ctl_options *o, const char *text)
{
        uint64_t days;

        if (!parse_number(text, 1, LIMIT_VALIDITY_DAYS, &days))
                return usage("--days: expected a number of days from 1 to %u, not '%s'", LIMIT_VALIDITY_DAYS,
                        text);
        o->days = (int)days;
        return EXIT_DONE;
}

static int add_audit_key(struct ctl_options *o, const char *name, const char *file)
{
        if (o->n_audit_keys == ARRAY_SIZE(o->audit_keys))
                return usage("--key and --pubkey can be given %zu times in all", ARRAY_SIZE(o->audit_keys));
        o->audit_keys[o->n_audit_keys++] = (struct audit_key){name, file};
        return EXIT_DONE;
}

static int add_key(struct ctl_options *o, const char *text)
{
        return add_audit_key(o, text, NULL);
}

static int add_public_key(struct ctl_options *o, const char *text)
{
        return add_audit_key(o, NULL, text);
}

static int add_dns_name(struct ctl_options *o, const char *text)
{
        if (o->n_dns_names == ARRAY_SIZE(o->dns_names))
                return usage("--dns can be given %zu times", ARRAY_SIZE(o->dns_names));
        o->dns_names[o->n_dns_names++] = text;
        return EXIT_DONE;
}

#define PLACE(member) offsetof(struct ctl_options, member)
static const struct option_row rows[OPTION_MAX_] = {
        [OPTION_SOCKET] = {"socket", true, PLACE(socket), NULL},
        [OPTION_STATUS_SOCKET] = {"status-socket", true, PLACE(status_socket), NULL},
        [OPTION_JSON] = {"json", false, PLACE(json), NULL},
        [OPTION_TIMEOUT] = {"timeout", true, 0, parse_timeout},
        [OPTION_HELP] = {"help", false, PLACE(help), NULL},
        [OPTION_VERSION] = {"version", false, PLACE(version), NULL},
        [OPTION_TYPE] = {"type", true, 0, parse_type},
        [OPTION_SIZE] = {"size", true, 0, parse_size},
        [OPTION_CURVE] = {"curve", true, 0, parse_curve},
        [OPTION_USAGE] = {"usage", true, PLACE(usage), NULL},
        [OPTION_LOADABLE] = {"loadable", false, PLACE(loadable), NULL},
        [OPTION_ID] = {"id", true, PLACE(id), NULL},
        [OPTION_ALGORITHM] = {"algorithm", true, 0, parse_algorithm},
        [OPTION_SALT_LENGTH] = {"salt-length", true, 0, parse_salt_length},
        [OPTION_DIGEST] = {"digest", true, PLACE(digest), NULL},
        [OPTION_IN] = {"in", true, PLACE(in), NULL},
        [OPTION_OUT] = {"out", true, PLACE(out), NULL},
        [OPTION_BASE64] = {"base64", false, PLACE(base64), NULL},
        [OPTION_SIGNATURE] = {"signature", true, PLACE(signature), NULL},
        [OPTION_LABEL] = {"label", true, PLACE(label), NULL},
        [OPTION_IV] = {"iv", true, PLACE(iv), NULL},
        [OPTION_LENGTH] = {"length", true, 0, parse_length},
        [OPTION_PUBLIC_KEY] = {"public-key", true, PLACE(peer), NULL},
        [OPTION_DER] = {"der", false, PLACE(der), NULL},
        [OPTION_YES] = {"yes", false, PLACE(yes), NULL},
        [OPTION_WATCH] = {"watch", false, PLACE(watch), NULL},
        [OPTION_KEY] = {"key", true, 0, add_key},
        [OPTION_PUBKEY] = {"pubkey", true, 0, add_public_key},
        [OPTION_FIRST_SEQ] = {"first-seq", true, 0, parse_first_seq},
        [OPTION_EXPECT_SEQ] = {"expect-seq", true, 0, parse_expect_seq},
        [OPTION_NO_SIGNATURES] = {"no-signatures", false, PLACE(no_signatures), NULL},
        [OPTION_SUBJECT] = {"subject", true, PLACE(subject), NULL},
        [OPTION_DNS] = {"dns", true, 0, add_dns_name},
        [OPTION_DAYS] = {"days", true, 0, parse_days},
        [OPTION_CA] = {"ca", false, PLACE(ca), NULL},
        [OPTION_REPLACE] = {"replace", false, PLACE(replace), NULL},
        [OPTION_PEM] = {"pem", false, PLACE(pem), NULL},
        [OPTION_NICKNAME] = {"nickname", true, PLACE(nickname), NULL},
        [OPTION_SUBSYSTEM] = {"subsystem", true, PLACE(subsystem), NULL},
        [OPTION_INSTANCE] = {"instance", true, PLACE(instance), NULL},
        [OPTION_AS] = {"as", true, PLACE(as), NULL},
        [OPTION_CLAIMANT] = {"claimant", true, PLACE(claimant), NULL},
        [OPTION_AAD] = {"aad", true, PLACE(aad), NULL},
        [OPTION_DATA] = {"data", true, PLACE(data), NULL},
        [OPTION_OTHER] = {"other", true, PLACE(other), NULL},
        [OPTION_FIRST_BIT] = {"bit", true, 0, parse_bit},
        [OPTION_SERIAL] = {"serial", true, PLACE(serial), NULL},
        [OPTION_CONFIG] = {"config", true, PLACE(config), NULL},
        [OPTION_LOGIN] = {"login", false, PLACE(login), NULL},
        [OPTION_PASSPHRASE_FILE] = {"passphrase-file", true, PLACE(passphrase_file), NULL},
        [OPTION_SINCE] = {"since", true, PLACE(since), NULL},
        [OPTION_UNTIL] = {"until", true, PLACE(until), NULL},
        [OPTION_TOKEN] = {"token", true, PLACE(token), NULL},
        [OPTION_OPERATION] = {"operation", true, PLACE(operation), NULL},
};

static int take_option(struct ctl_options *o, enum ctl_option option, const char *text)
{
        const struct option_row *row = &rows[option];
        char *place = (char *)o + row->place;

        /* Most likely a variable of a script that is not set. A key may have an empty nickname. */
        if (text && !*text && option >= OPTION_TYPE && option != OPTION_NICKNAME)
                return usage("--%s is empty", row->name);
        if (row->parse)
                return row->parse(o, text);
        if (row->has_argument)
                *(const char **)(void *)place = text;
        else
                *(bool *)place = true;
        return EXIT_DONE;
}

/* What getopt_long() would say itself, as it came. Of a short option it knows the letter alone. */
static int say_fault(int option, char **argv)
{
        if (option == ':')
                return usage("option '%s' requires an argument", argv[optind - 1]);
        if (optopt > ' ')
                return usage("unrecognized option '-%c'", optopt);
        return usage("unrecognized option '%s', or it takes no argument", argv[optind - 1]);
}

int options_parse(int argc, char **argv, struct ctl_options *o, uint64_t *ret_given)
{
        struct option long_options[OPTION_MAX_ + 1] = {0};
        int option, r = EXIT_DONE;

        for (int i = 0; i < OPTION_MAX_; i++)
                long_options[i] = (struct option){.name = rows[i].name,
                        .has_arg = rows[i].has_argument ? required_argument : no_argument,
                        .val = i};
        *ret_given = 0;
        opterr = 0;
        while (r == EXIT_DONE && !o->version &&
                (option = getopt_long(argc, argv, ":h", long_options, NULL)) >= 0) {
                if (option == 'h')
                        option = OPTION_HELP;
                if (option >= OPTION_MAX_)
                        return say_fault(option, argv);
                *ret_given |= OPTION_BIT(option);
                r = take_option(o, (enum ctl_option)option, optarg);
        }
        return r;
}

const char *options_name(uint64_t bits)
{
        for (size_t i = 0; i < OPTION_MAX_; i++)
                if (bits & OPTION_BIT(i))
                        return rows[i].name;
        return "?";
}

bool options_find(const char *word, enum ctl_option *ret)
{
        for (int i = 0; i < OPTION_MAX_; i++)
                if (rows[i].has_argument && strncmp(word, "--", 2) == 0 &&
                        strcmp(rows[i].name, word + 2) == 0) {
                        *ret = (enum ctl_option)i;
                        return true;
                }
        return false;
}
