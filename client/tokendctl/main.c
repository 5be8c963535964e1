/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokendctl: the table of verbs, and which of them the command line names. A verb names the options that it takes.
 * Everything the program knows of the daemon it knows from libtokend.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/options.h"

struct verb {
        const char *name;
        int (*run)(const struct ctl_options *o);
        unsigned min_arguments, max_arguments;
        uint64_t options; /* OPTION_BIT() of each, beside OPTIONS_COMMON */
        const char *synopsis, *help;
};

#define BIT(option) OPTION_BIT(OPTION_##option)
static const struct verb verbs[] = {
        {"tokens", verb_tokens, 0, 0, 0, "", "print the tokens that you may use, and what you may do there"},
        {"list", verb_list, 0, 1, 0, "[TOKEN]", "print the keys that you may see"},
        {"generate", verb_generate, 1, 1,
                BIT(TYPE) | BIT(SIZE) | BIT(CURVE) | BIT(USAGE) | BIT(LOADABLE) | BIT(ID),
                "KEY --type rsa|ec|ed25519 [--size BITS] [--curve NAME] [--usage sign,...] [--loadable] "
                "[--id HEX]",
                "make a key; with TOKEN: alone, a key without a nickname yet"},
        {"rename", verb_rename, 2, 2, 0, "KEY NICKNAME", "give a key another nickname"},
        {"sign", verb_sign, 1, 1,
                BIT(ALGORITHM) | BIT(SALT_LENGTH) | BIT(DIGEST) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE --algorithm NAME [--salt-length BYTES] [--digest HEX | --in FILE|-] [--out FILE] "
                "[--base64]",
                "sign a file or a digest"},
        {"decrypt", verb_decrypt, 1, 1,
                BIT(ALGORITHM) | BIT(LABEL) | BIT(IV) | BIT(AAD) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE --algorithm NAME [--label HEX] [--iv HEX] [--aad HEX] [--in FILE|-] [--out FILE] "
                "[--base64]",
                "decrypt with an RSA key, or with a secret key"},
        {"derive", verb_derive, 1, 1,
                BIT(PUBLIC_KEY) | BIT(OUT) | BIT(BASE64) | BIT(ALGORITHM) | BIT(DATA) | BIT(FIRST_BIT) |
                        BIT(OTHER) | BIT(TYPE) | BIT(LENGTH) | BIT(USAGE),
                "KEY --public-key FILE|- [--out FILE] [--base64]\n  derive KEY|@FILE --algorithm NAME --type "
                "NAME --usage encrypt,... [--length BYTES] [--data HEX]\n        [--bit N] [--other @FILE] "
                "[--public-key FILE] [--out FILE]",
                "agree on a secret with an EC key (ECDH), or make a sealed key of another key"},
        {"pubkey", verb_pubkey, 1, 1, BIT(DER), "KEY [--der]", "print the public key in PEM"},
        {"verify", verb_verify, 1, 1, BIT(ALGORITHM) | BIT(DIGEST) | BIT(IN) | BIT(SIGNATURE) | BIT(BASE64),
                "KEY --algorithm NAME --signature FILE [--digest HEX | --in FILE|-] [--base64]",
                "verify a signature"},
        {"random", verb_random, 1, 1, BIT(BASE64), "LENGTH [--base64]", "write random bytes of a device"},
        {"delete", verb_delete, 1, 1, BIT(YES), "KEY --yes", "destroy a key"},
        {"certs", verb_certs, 0, 1, BIT(PEM) | BIT(NICKNAME), "[TOKEN] [--nickname NAME] [--pem]",
                "print the certificates that you may see"},
        {"request", verb_request, 1, 1, BIT(SUBJECT) | BIT(ALGORITHM) | BIT(DNS) | BIT(OUT) | BIT(DER),
                "KEY --subject DN [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "make a PKCS #10 request for a certificate, in PEM"},
        {"self-sign", verb_self_sign, 1, 1,
                BIT(SUBJECT) | BIT(ALGORITHM) | BIT(DNS) | BIT(DAYS) | BIT(CA) | BIT(OUT) | BIT(DER),
                "KEY --subject DN --days N [--ca] [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "put a self-signed certificate on the token"},
        {"import", verb_import, 2, 2, 0, "KEY FILE|-", "put a certificate, PEM or DER, on the token"},
        {"delete-cert", verb_delete_cert, 1, 1, BIT(SERIAL) | BIT(YES), "CERTIFICATE [--serial HEX] --yes",
                "remove a certificate"},
        {"check", verb_check, 1, 1, BIT(SUBSYSTEM) | BIT(INSTANCE),
                "TOKEN --subsystem ca|kra|ocsp|tks|tps|ra --instance NAME",
                "say whether the token is fit for a new subsystem"},
        {"remove-claim", verb_remove_claim, 2, 2, BIT(CLAIMANT) | BIT(YES),
                "TOKEN NICKNAME --claimant HEX --yes", "remove a claim that a host left on a token"},
        {"secrets", verb_secrets, 0, 1, 0, "[TOKEN]", "print the secret keys that you may see"},
        {"secret-generate", verb_secret_generate, 0, 1,
                BIT(TYPE) | BIT(LENGTH) | BIT(SIZE) | BIT(CURVE) | BIT(USAGE) | BIT(ID) | BIT(OUT),
                "[KEY] --type NAME --usage encrypt,... [--length BYTES] [--size BITS] [--curve NAME] [--id "
                "HEX] [--out FILE]",
                "make a secret key on the token; without KEY, or with TOKEN: alone, a sealed one"},
        {"unwrap", verb_unwrap, 1, 1,
                BIT(ALGORITHM) | BIT(IV) | BIT(LABEL) | BIT(TYPE) | BIT(LENGTH) | BIT(SIZE) | BIT(CURVE) |
                        BIT(USAGE) | BIT(IN) | BIT(OUT),
                "KEY|@FILE --algorithm NAME --type NAME --usage encrypt,... [--iv HEX] [--label HEX] "
                "[--length BYTES] [--size BITS] [--curve NAME] [--in FILE|-] [--out FILE]",
                "make a sealed key of a wrapped one"},
        {"wrap", verb_wrap, 1, 2,
                BIT(ALGORITHM) | BIT(IV) | BIT(LABEL) | BIT(PUBLIC_KEY) | BIT(OUT) | BIT(BASE64),
                "@SEALED [KEY|@FILE] --algorithm NAME [--public-key FILE] [--iv HEX] [--label HEX] [--out "
                "FILE] "
                "[--base64]",
                "wrap a sealed key by another key"},
        {"secret-delete", verb_secret_delete, 1, 1, BIT(YES), "KEY --yes",
                "destroy a secret key of the token"},
        {"encrypt", verb_encrypt, 1, 1,
                BIT(ALGORITHM) | BIT(IV) | BIT(AAD) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE --algorithm NAME [--iv HEX] [--aad HEX] [--in FILE|-] [--out FILE] [--base64]",
                "encrypt with a secret key"},
        {"status", verb_status, 0, 0, BIT(WATCH), "[--watch]",
                "print the state of tokens, sessions, queues and instances"},
        {"metrics", verb_metrics, 0, 0, 0, "", "print the same as OpenMetrics text"},
        {"probe", verb_probe, 0, 1, 0, "[TOKEN]", "ask the device itself whether it answers"},
        {"audit", verb_audit, 2, UINT_MAX,
                BIT(KEY) | BIT(PUBKEY) | BIT(FIRST_SEQ) | BIT(EXPECT_SEQ) | BIT(NO_SIGNATURES),
                "verify FILE... [--key KEY | --pubkey FILE]... [--first-seq N] [--expect-seq N] "
                "[--no-signatures]",
                "check audit files for records that were changed, cut, removed, rewritten or reordered"},
};

static void print_help(void)
{
        printf("tokendctl [--socket PATH] [--status-socket PATH] [--json] [--timeout DURATION] VERB ...\n\n"
               "KEY is TOKEN:NICKNAME, NICKNAME or a pkcs11: URI. generate and import take no URI.\n\n");
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                printf("  %s %s\n        %s\n", verbs[i].name, verbs[i].synopsis, verbs[i].help);
        printf("\n  --socket PATH         default: $TOKEND_SOCKET, else /run/tokend/tokend.sock\n"
               "  --status-socket PATH  default: $TOKEND_STATUS_SOCKET, else /run/tokend/status.sock\n"
               "  --json                print the reply for programs\n"
               "  --timeout DURATION    500ms, 10s, 2min; default: 30s\n\n"
               "Exit status: 0 done, 1 the daemon refused, 2 the command line is wrong, 3 the daemon could "
               "not be\n"
               "asked. See tokendctl(1).\n");
}

static int run_verb(const char *name, uint64_t given, const struct ctl_options *o)
{
        const struct verb *verb = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        verb = &verbs[i];
        if (!verb)
                return usage("unknown verb '%s'; tokendctl --help lists the verbs", name);
        given &= ~(verb->options | OPTIONS_COMMON);
        if (given)
                return usage("%s does not take --%s", verb->name, options_name(given));
        if (o->n_arguments < verb->min_arguments || o->n_arguments > verb->max_arguments)
                return usage("usage: tokendctl %s %s", verb->name, verb->synopsis);
        return verb->run(o);
}

/* If a standard descriptor is closed, the next file or socket to be opened gets its number: output would go to the daemon.
 * So each of them is opened here on /dev/null, in the direction in which it is not used: its use fails. */
static int keep_standard_descriptors(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 &&
                        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                        return -EIO;
        return 0;
}

static int run(int argc, char **argv)
{
        struct ctl_options o = {0};
        uint64_t given;
        int r = options_parse(argc, argv, &o, &given);

        if (r != EXIT_DONE)
                return r;
        if (o.version) {
                printf("tokendctl %s\n", TOKEND_VERSION);
                return EXIT_DONE;
        }
        if (o.help) {
                print_help();
                return EXIT_DONE;
        }
        if (optind >= argc)
                return usage("no verb is given; tokendctl --help lists the verbs");
        o.arguments = argv + optind + 1;
        o.n_arguments = (unsigned)(argc - optind - 1);
        return run_verb(argv[optind], given, &o);
}

int main(int argc, char **argv)
{
        int r;

        if (keep_standard_descriptors() < 0)
                return EXIT_UNREACHABLE;
        /* The width of characters must not depend on the user's locale: names are UTF-8. */
        setlocale(LC_CTYPE, "C.UTF-8");
        r = run(argc, argv);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                complain("standard output: %s", strerror(errno));
                return r != EXIT_DONE ? r : EXIT_UNREACHABLE;
        }
        return r;
}
