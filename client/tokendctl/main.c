/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokendctl: the command line, and which verb it is. Verbs are one table, options another; a verb names the
 * options that it takes. Everything the program knows of the daemon it knows from libtokend.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/duration.h"
#include "gen/proto/enums.h"
#include "proto/limits.h"

enum {
        OPTION_SOCKET = 256,
        OPTION_STATUS_SOCKET,
        OPTION_JSON,
        OPTION_TIMEOUT,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_TYPE, /* from here on: of some verbs alone */
        OPTION_SIZE,
        OPTION_CURVE,
        OPTION_USAGE,
        OPTION_LOADABLE,
        OPTION_ALGORITHM,
        OPTION_DIGEST,
        OPTION_IN,
        OPTION_OUT,
        OPTION_BASE64,
        OPTION_SIGNATURE,
        OPTION_DER,
        OPTION_YES,
        OPTION_WATCH,
        OPTION_KEY,
        OPTION_PUBKEY,
        OPTION_FIRST_SEQ,
        OPTION_EXPECT_SEQ,
        OPTION_NO_SIGNATURES,
        OPTION_SUBJECT,
        OPTION_DNS,
        OPTION_DAYS,
        OPTION_CA,
        OPTION_PEM,
        OPTION_NICKNAME,
        OPTION_SUBSYSTEM,
        OPTION_INSTANCE,
        OPTION_CLAIMANT,
};

/* What --days takes at most: the daemon's bound. */
#define DAYS_MAX 36500

/* Each behind a comma. */
#define ALGORITHM_WORD(constant, name, ...) ", " name
static const char algorithms[] = ALGORITHM_LIST(ALGORITHM_WORD);

#define BIT(option) (UINT64_C(1) << ((option)-OPTION_TYPE))

static const struct option long_options[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"status-socket", required_argument, NULL, OPTION_STATUS_SOCKET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"type", required_argument, NULL, OPTION_TYPE},
        {"size", required_argument, NULL, OPTION_SIZE},
        {"curve", required_argument, NULL, OPTION_CURVE},
        {"usage", required_argument, NULL, OPTION_USAGE},
        {"loadable", no_argument, NULL, OPTION_LOADABLE},
        {"algorithm", required_argument, NULL, OPTION_ALGORITHM},
        {"digest", required_argument, NULL, OPTION_DIGEST},
        {"in", required_argument, NULL, OPTION_IN},
        {"out", required_argument, NULL, OPTION_OUT},
        {"base64", no_argument, NULL, OPTION_BASE64},
        {"signature", required_argument, NULL, OPTION_SIGNATURE},
        {"der", no_argument, NULL, OPTION_DER},
        {"yes", no_argument, NULL, OPTION_YES},
        {"watch", no_argument, NULL, OPTION_WATCH},
        {"key", required_argument, NULL, OPTION_KEY},
        {"pubkey", required_argument, NULL, OPTION_PUBKEY},
        {"first-seq", required_argument, NULL, OPTION_FIRST_SEQ},
        {"expect-seq", required_argument, NULL, OPTION_EXPECT_SEQ},
        {"no-signatures", no_argument, NULL, OPTION_NO_SIGNATURES},
        {"subject", required_argument, NULL, OPTION_SUBJECT},
        {"dns", required_argument, NULL, OPTION_DNS},
        {"days", required_argument, NULL, OPTION_DAYS},
        {"ca", no_argument, NULL, OPTION_CA},
        {"pem", no_argument, NULL, OPTION_PEM},
        {"nickname", required_argument, NULL, OPTION_NICKNAME},
        {"subsystem", required_argument, NULL, OPTION_SUBSYSTEM},
        {"instance", required_argument, NULL, OPTION_INSTANCE},
        {"claimant", required_argument, NULL, OPTION_CLAIMANT},
        {0},
};

struct verb {
        const char *name;
        int (*run)(const struct options *o);
        unsigned min_arguments, max_arguments;
        uint64_t options; /* BIT()s */
        const char *synopsis, *help;
};

static const struct verb verbs[] = {
        {"list", verb_list, 0, 1, 0, "[TOKEN]", "keys that you may see"},
        {"generate", verb_generate, 1, 1,
                BIT(OPTION_TYPE) | BIT(OPTION_SIZE) | BIT(OPTION_CURVE) | BIT(OPTION_USAGE) |
                        BIT(OPTION_LOADABLE),
                "KEY --type rsa|ec|ed25519 [--size BITS] [--curve NAME] [--usage sign,...] [--loadable]",
                "make a key"},
        {"sign", verb_sign, 1, 1,
                BIT(OPTION_ALGORITHM) | BIT(OPTION_DIGEST) | BIT(OPTION_IN) | BIT(OPTION_OUT) |
                        BIT(OPTION_BASE64),
                "KEY --algorithm NAME [--digest HEX | --in FILE|-] [--out FILE] [--base64]",
                "sign a file or a digest"},
        {"pubkey", verb_pubkey, 1, 1, BIT(OPTION_DER), "KEY [--der]", "the public key, PEM"},
        {"verify", verb_verify, 1, 1,
                BIT(OPTION_ALGORITHM) | BIT(OPTION_DIGEST) | BIT(OPTION_IN) | BIT(OPTION_SIGNATURE) |
                        BIT(OPTION_BASE64),
                "KEY --algorithm NAME --signature FILE [--digest HEX | --in FILE|-] [--base64]",
                "verify a signature"},
        {"random", verb_random, 1, 1, BIT(OPTION_BASE64), "LENGTH [--base64]", "random bytes of a device"},
        {"delete", verb_delete, 1, 1, BIT(OPTION_YES), "KEY --yes", "destroy a key"},
        {"certs", verb_certs, 0, 1, BIT(OPTION_PEM) | BIT(OPTION_NICKNAME),
                "[TOKEN] [--nickname NAME] [--pem]", "certificates that you may see"},
        {"request", verb_request, 1, 1,
                BIT(OPTION_SUBJECT) | BIT(OPTION_ALGORITHM) | BIT(OPTION_DNS) | BIT(OPTION_OUT) |
                        BIT(OPTION_DER),
                "KEY --subject DN [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "a PKCS #10 request for a certificate, PEM"},
        {"self-sign", verb_self_sign, 1, 1,
                BIT(OPTION_SUBJECT) | BIT(OPTION_ALGORITHM) | BIT(OPTION_DNS) | BIT(OPTION_DAYS) |
                        BIT(OPTION_CA) | BIT(OPTION_OUT) | BIT(OPTION_DER),
                "KEY --subject DN --days N [--ca] [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "put a self-signed certificate on the token"},
        {"import", verb_import, 2, 2, 0, "KEY FILE|-", "put a certificate, PEM or DER, on the token"},
        {"delete-cert", verb_delete_cert, 1, 1, BIT(OPTION_YES), "CERTIFICATE --yes", "remove a certificate"},
        {"check", verb_check, 1, 1, BIT(OPTION_SUBSYSTEM) | BIT(OPTION_INSTANCE),
                "TOKEN --subsystem ca|kra|ocsp|tks|tps|ra --instance NAME",
                "is the token fit for a new subsystem?"},
        {"remove-claim", verb_remove_claim, 2, 2, BIT(OPTION_CLAIMANT) | BIT(OPTION_YES),
                "TOKEN NICKNAME --claimant HEX --yes", "remove a claim that a host left on a token"},
        {"status", verb_status, 0, 0, BIT(OPTION_WATCH), "[--watch]", "tokens, sessions, queues, instances"},
        {"metrics", verb_metrics, 0, 0, 0, "", "OpenMetrics text"},
        {"probe", verb_probe, 0, 1, 0, "[TOKEN]", "ask the device itself"},
        {"audit", verb_audit, 2, UINT_MAX,
                BIT(OPTION_KEY) | BIT(OPTION_PUBKEY) | BIT(OPTION_FIRST_SEQ) | BIT(OPTION_EXPECT_SEQ) |
                        BIT(OPTION_NO_SIGNATURES),
                "verify FILE... [--key KEY | --pubkey FILE]... [--first-seq N] [--expect-seq N] "
                "[--no-signatures]",
                "check audit files: changed, cut, missing, rewritten, reordered"},
};

void complain(const char *format, ...)
{
        _cleanup_(freep) char *text = NULL, *escaped = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        escaped = text ? terminal_escape(text) : NULL;
        fprintf(stderr, "tokendctl: %s\n", escaped ? escaped : "no memory");
}

int usage(const char *format, ...)
{
        _cleanup_(freep) char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        complain("%s", text ? text : "no memory");
        return EXIT_USAGE;
}

int refused(const struct tokend_failure *failure)
{
        complain("%s: %s", failure->name, failure->text);
        switch (failure->error) {
        case TOKEND_INVALID_ARGUMENT:
                return EXIT_USAGE;
        case TOKEND_CANNOT_CONNECT:
        case TOKEND_TIMED_OUT:
        case TOKEND_PROTOCOL_VIOLATION:
        case TOKEND_NO_MEMORY:
                return EXIT_UNREACHABLE;
        default:
                return EXIT_REFUSED;
        }
}

int split_name(const char *name, char **ret_token, const char **ret_nickname)
{
        const char *colon = strchr(name, ':');

        /* A URI names what is there. */
        if (strncmp(name, "pkcs11:", strlen("pkcs11:")) == 0)
                return usage("%s: what is new is named TOKEN:NICKNAME or NICKNAME, not by a URI", name);
        if (colon) {
                *ret_token = strndup(name, (size_t)(colon - name));
                if (!*ret_token)
                        return EXIT_UNREACHABLE;
        }
        *ret_nickname = colon ? colon + 1 : name;
        return EXIT_DONE;
}

static struct tokend *opened(struct tokend *handle, const char *what)
{
        if (!handle)
                complain("%s: %s", what, strerror(errno));
        return handle;
}

struct tokend *open_main(const struct options *o)
{
        return opened(tokend_open(o->socket, TOKEND_NO_WAIT), "--socket");
}

struct tokend *open_status(const struct options *o)
{
        return opened(tokend_open_status(o->status_socket, TOKEND_NO_WAIT), "--status-socket");
}

static void print_help(void)
{
        printf("tokendctl [--socket PATH] [--status-socket PATH] [--json] [--timeout DURATION] VERB ...\n\n"
               "KEY is token:nickname, nickname, or a pkcs11: URI; of generate and import no URI.\n\n");
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                printf("  %s %s\n        %s\n", verbs[i].name, verbs[i].synopsis, verbs[i].help);
        printf("\n  --socket PATH         else $TOKEND_SOCKET, else /run/tokend/tokend.sock\n"
               "  --status-socket PATH  else $TOKEND_STATUS_SOCKET, else /run/tokend/status.sock\n"
               "  --json                for programs\n"
               "  --timeout DURATION    500ms, 10s, 2min; 30s where left out\n\n"
               "Exit status: 0 done, 1 the daemon said no, 2 usage, 3 the daemon could not be asked. "
               "tokendctl(1).\n");
}

static int parse_size(const char *text, int *ret)
{
        char *end;
        long size;

        errno = 0;
        size = strtol(text, &end, 10);
        if (*end || end == text || errno != 0 || size < (long)LIMIT_RSA_BITS_MIN ||
                size > (long)LIMIT_RSA_BITS_MAX || size % 8 != 0)
                return usage("--size takes a number of bits, %u to %u and a multiple of 8",
                        LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX);
        *ret = (int)size;
        return EXIT_DONE;
}

/* words: "rsa, ec"; text into *ret where it is one of them. */
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
        return usage("--%s takes %s", option, words);
}

static int parse_seq(const char *option, const char *text, uint64_t *ret)
{
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        if (*end || text[0] < '1' || text[0] > '9' || errno != 0)
                return usage("--%s takes the number of a record", option);
        return EXIT_DONE;
}

static int add_audit_key(struct options *o, const char *name, const char *file)
{
        if (o->n_audit_keys == ARRAY_SIZE(o->audit_keys))
                return usage("at most %zu keys", ARRAY_SIZE(o->audit_keys));
        o->audit_keys[o->n_audit_keys++] = (struct audit_key){name, file};
        return EXIT_DONE;
}

static int parse_timeout(const char *text, int *ret_ms)
{
        uint64_t usec;

        if (duration_parse(text, &usec) < 0 || usec < USEC_PER_MSEC ||
                usec > LIMIT_TIMEOUT_MS * USEC_PER_MSEC)
                return usage("--timeout takes a duration of 1ms to 10min");
        *ret_ms = (int)(usec / USEC_PER_MSEC);
        return EXIT_DONE;
}

/* Options that every verb takes. */
static int take_common(int option, struct options *o)
{
        switch (option) {
        case OPTION_SOCKET:
                o->socket = optarg;
                break;
        case OPTION_STATUS_SOCKET:
                o->status_socket = optarg;
                break;
        case OPTION_JSON:
                o->json = true;
                break;
        case OPTION_TIMEOUT:
                return parse_timeout(optarg, &o->timeout_ms);
        default:
                return EXIT_USAGE; /* getopt_long() has said why */
        }
        return EXIT_DONE;
}

static int parse_days(const char *text, int *ret)
{
        char *end;
        long days;

        errno = 0;
        days = strtol(text, &end, 10);
        if (*end || text[0] < '1' || text[0] > '9' || errno != 0 || days > DAYS_MAX)
                return usage("--days takes a number of days, 1 to %d", DAYS_MAX);
        *ret = (int)days;
        return EXIT_DONE;
}

static int add_dns_name(struct options *o, const char *name)
{
        if (o->n_dns_names == ARRAY_SIZE(o->dns_names))
                return usage("at most %zu names", ARRAY_SIZE(o->dns_names));
        o->dns_names[o->n_dns_names++] = name;
        return EXIT_DONE;
}

/* Of the verbs for certificates. */
static int take_certificate_option(int option, struct options *o)
{
        switch (option) {
        case OPTION_SUBJECT:
                o->subject = optarg;
                break;
        case OPTION_DNS:
                return add_dns_name(o, optarg);
        case OPTION_DAYS:
                return parse_days(optarg, &o->days);
        case OPTION_CA:
                o->ca = true;
                break;
        case OPTION_PEM:
                o->pem = true;
                break;
        case OPTION_NICKNAME:
                o->nickname = optarg;
                break;
        case OPTION_SUBSYSTEM:
                o->subsystem = optarg;
                break;
        case OPTION_INSTANCE:
                o->instance = optarg;
                break;
        case OPTION_CLAIMANT:
                o->claimant = optarg;
                break;
        default:
                return take_common(option, o);
        }
        return EXIT_DONE;
}

static int take_option(int option, struct options *o)
{
        switch (option) {
        case OPTION_TYPE:
                return parse_word("type", KEYS_KEY_TYPE_WORDS, optarg, &o->type);
        case OPTION_SIZE:
                return parse_size(optarg, &o->size);
        case OPTION_CURVE:
                return parse_word("curve", "secp256r1, secp384r1, secp521r1", optarg, &o->curve);
        case OPTION_USAGE:
                o->usage = optarg;
                break;
        case OPTION_LOADABLE:
                o->loadable = true;
                break;
        case OPTION_ALGORITHM:
                return parse_word("algorithm", algorithms + strlen(", "), optarg, &o->algorithm);
        case OPTION_DIGEST:
                o->digest = optarg;
                break;
        case OPTION_IN:
                o->in = optarg;
                break;
        case OPTION_OUT:
                o->out = optarg;
                break;
        case OPTION_BASE64:
                o->base64 = true;
                break;
        case OPTION_SIGNATURE:
                o->signature = optarg;
                break;
        case OPTION_DER:
                o->der = true;
                break;
        case OPTION_YES:
                o->yes = true;
                break;
        case OPTION_WATCH:
                o->watch = true;
                break;
        case OPTION_KEY:
                return add_audit_key(o, optarg, NULL);
        case OPTION_PUBKEY:
                return add_audit_key(o, NULL, optarg);
        case OPTION_FIRST_SEQ:
                return parse_seq("first-seq", optarg, &o->first_seq);
        case OPTION_EXPECT_SEQ:
                return parse_seq("expect-seq", optarg, &o->expect_seq);
        case OPTION_NO_SIGNATURES:
                o->no_signatures = true;
                break;
        default:
                return take_certificate_option(option, o);
        }
        return EXIT_DONE;
}

/* *ret_given: BIT()s. EXIT_DONE; *ret_end: help or version were asked for, and were given. */
static int parse_options(int argc, char **argv, struct options *o, uint64_t *ret_given, bool *ret_end)
{
        int option, at = 0;

        *ret_given = 0;
        *ret_end = false;
        while ((option = getopt_long(argc, argv, "h", long_options, &at)) >= 0) {
                int r;

                if (option == OPTION_HELP || option == 'h' || option == OPTION_VERSION) {
                        if (option == OPTION_VERSION)
                                printf("tokendctl %s\n", TOKEND_VERSION);
                        else
                                print_help();
                        *ret_end = true;
                        return EXIT_DONE;
                }
                if (option >= OPTION_TYPE)
                        *ret_given |= BIT(option);
                /* A variable of a script that is not set, most likely. A key may have no nickname. */
                if (option >= OPTION_TYPE && option != OPTION_NICKNAME && optarg && !*optarg)
                        return usage("--%s is empty", long_options[at].name);
                r = take_option(option, o);
                if (r != EXIT_DONE)
                        return r;
        }
        return EXIT_DONE;
}

static const char *option_name(uint64_t bit)
{
        for (size_t i = 0; long_options[i].name; i++)
                if (long_options[i].val >= OPTION_TYPE && BIT(long_options[i].val) & bit)
                        return long_options[i].name;
        return "?";
}

static int run_verb(const char *name, uint64_t given, const struct options *o)
{
        const struct verb *verb = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        verb = &verbs[i];
        if (!verb)
                return usage("%s: no such verb; see tokendctl --help", name);
        if (given & ~verb->options)
                return usage("%s does not take --%s", verb->name, option_name(given & ~verb->options));
        if (o->n_arguments < verb->min_arguments || o->n_arguments > verb->max_arguments)
                return usage("usage: tokendctl %s %s", verb->name, verb->synopsis);
        return verb->run(o);
}

/* A standard descriptor that is closed would be the next that is opened: the daemon's socket, and it would get the output.
 * In its place is one that can be read where it should be written, and the other way round, so that its use fails. */
static int keep_standard_descriptors(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 &&
                        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                        return -1;
        return 0;
}

int main(int argc, char **argv)
{
        static char name[] = "tokendctl";
        struct options o = {0};
        uint64_t given;
        bool end;
        int r;

        if (keep_standard_descriptors() < 0)
                return EXIT_UNREACHABLE;
        if (argc > 0)
                argv[0] = name; /* for what getopt_long() says */
        /* Widths of characters, whatever the user's locale: names are UTF-8 on the wire. */
        setlocale(LC_CTYPE, "C.UTF-8");
        r = parse_options(argc, argv, &o, &given, &end);
        if (r != EXIT_DONE)
                return r;
        if (!end) {
                if (optind >= argc)
                        return usage("no verb; see tokendctl --help");
                o.arguments = argv + optind + 1;
                o.n_arguments = (unsigned)(argc - optind - 1);
                r = run_verb(argv[optind], given, &o);
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                complain("standard output: %s", strerror(errno));
                return r != EXIT_DONE ? r : EXIT_UNREACHABLE;
        }
        return r;
}
