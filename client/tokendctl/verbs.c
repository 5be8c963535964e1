/* SPDX-License-Identifier: MPL-2.0 */
/* See verbs.h. */
#include "client/tokendctl/verbs.h"

#include <limits.h>
#include <string.h>

#include "client/tokendctl/nearest.h"
#include "client/tokendctl/options.h"

#define BIT(option) OPTION_BIT(OPTION_##option)
const struct verb verbs[] = {
        {"tokens", verb_tokens, 0, 0, 0, "", "print the tokens that you may use, and what you may do there",
                "tokens"},
        {"whoami", verb_whoami, 0, 0, 0, "", "print as whom the daemon sees you, and what you may do",
                "whoami"},
        {"may", verb_may, 1, 2, BIT(AS), "OPERATION [KEY] [--as USER[:UNIT]]",
                "say what the policy would answer, and why; nothing is done",
                "may sign 'hsm:CA Signing' --as pkiuser:pki-tomcatd@ca.service\nmay random --as nobody"},
        {"list", verb_list, 0, 1, 0, "[TOKEN]", "print the keys that you may see",
                "list\nlist hsm\n--json list"},
        {"generate", verb_generate, 1, 1,
                BIT(TYPE) | BIT(SIZE) | BIT(CURVE) | BIT(USAGE) | BIT(LOADABLE) | BIT(ID),
                "KEY --type rsa|ec|ed25519 [--size BITS] [--curve NAME] [--usage sign,...] [--loadable] "
                "[--id HEX]",
                "make a key; with TOKEN: alone, a key without a nickname yet",
                "generate hsm:web --type ec --curve P-256\ngenerate 'hsm:CA Signing' --type rsa --size 4096"},
        {"rename", verb_rename, 2, 2, 0, "KEY NICKNAME", "give a key another nickname",
                "rename hsm:web 'web 2026'"},
        {"sign", verb_sign, 1, 1,
                BIT(ALGORITHM) | BIT(SALT_LENGTH) | BIT(DIGEST) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE [--algorithm NAME] [--salt-length BYTES] [--digest HEX | --in FILE|-] [--out "
                "FILE] "
                "[--base64]",
                "sign a file or a digest",
                "sign hsm:web --in letter.txt --out letter.sig\nsign hsm:web --algorithm ecdsa_sha256 "
                "--digest $(sha256sum < letter.txt | cut -c1-64) --base64"},
        {"decrypt", verb_decrypt, 1, 1,
                BIT(ALGORITHM) | BIT(LABEL) | BIT(IV) | BIT(AAD) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE [--algorithm NAME] [--label HEX] [--iv HEX] [--aad HEX] [--in FILE|-] [--out "
                "FILE] "
                "[--base64]",
                "decrypt with an RSA key, or with a secret key",
                "decrypt hsm:transport --algorithm rsa_oaep_sha256 --in secret.bin --out secret"},
        {"derive", verb_derive, 1, 1,
                BIT(PUBLIC_KEY) | BIT(OUT) | BIT(BASE64) | BIT(ALGORITHM) | BIT(DATA) | BIT(FIRST_BIT) |
                        BIT(OTHER) | BIT(TYPE) | BIT(LENGTH) | BIT(USAGE),
                "KEY --public-key FILE|- [--out FILE] [--base64]\n  derive KEY|@FILE --algorithm NAME --type "
                "NAME --usage encrypt,... [--length BYTES] [--data HEX]\n        [--bit N] [--other @FILE] "
                "[--public-key FILE] [--out FILE]",
                "agree on a secret (ECDH), or make a sealed key of another key",
                "derive hsm:agree --public-key peer.pem --out shared"},
        {"pubkey", verb_pubkey, 1, 1, BIT(DER), "KEY [--der]", "print the public key in PEM",
                "pubkey hsm:web > web.pem"},
        {"verify", verb_verify, 1, 1, BIT(ALGORITHM) | BIT(DIGEST) | BIT(IN) | BIT(SIGNATURE) | BIT(BASE64),
                "KEY [--algorithm NAME] --signature FILE [--digest HEX | --in FILE|-] [--base64]",
                "verify a signature", "verify hsm:web --signature letter.sig --in letter.txt"},
        {"random", verb_random, 1, 1, BIT(BASE64), "LENGTH [--base64]", "write random bytes of a device",
                "random 32 > seed\nrandom 16 --base64"},
        {"delete", verb_delete, 1, 1, BIT(YES), "KEY --yes", "destroy a key", "delete hsm:web --yes"},
        {"certs", verb_certs, 0, 1, BIT(PEM) | BIT(NICKNAME), "[TOKEN] [--nickname NAME] [--pem]",
                "print the certificates that you may see", "certs\ncerts hsm --pem > all.pem"},
        {"request", verb_request, 1, 1, BIT(SUBJECT) | BIT(ALGORITHM) | BIT(DNS) | BIT(OUT) | BIT(DER),
                "KEY --subject DN [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "make a PKCS #10 request for a certificate, in PEM",
                "request hsm:web --subject 'CN=www.example,O=EXAMPLE' --dns www.example --out web.csr"},
        {"self-sign", verb_self_sign, 1, 1,
                BIT(SUBJECT) | BIT(ALGORITHM) | BIT(DNS) | BIT(DAYS) | BIT(CA) | BIT(OUT) | BIT(DER),
                "KEY --subject DN --days N [--ca] [--algorithm NAME] [--dns NAME]... [--out FILE] [--der]",
                "put a self-signed certificate on the token",
                "self-sign 'hsm:CA Signing' --subject 'CN=CA,O=EXAMPLE' --days 3650 --ca --out ca.pem"},
        {"import", verb_import, 2, 2, BIT(REPLACE), "KEY FILE|- [--replace]",
                "put a certificate on the token, or in the place of another",
                "import hsm:web web.crt\nimport hsm:web renewed.crt --replace"},
        {"delete-cert", verb_delete_cert, 1, 1, BIT(SERIAL) | BIT(YES), "CERTIFICATE [--serial HEX] --yes",
                "remove a certificate", "delete-cert hsm:web --yes"},
        {"check", verb_check, 1, 1, BIT(SUBSYSTEM) | BIT(INSTANCE),
                "TOKEN --subsystem ca|kra|ocsp|tks|tps|ra --instance NAME",
                "say whether the token is fit for a new subsystem", "check hsm --subsystem ca --instance CA"},
        {"remove-claim", verb_remove_claim, 2, 2, BIT(CLAIMANT) | BIT(YES),
                "TOKEN NICKNAME --claimant HEX --yes", "remove a claim that a host left on a token",
                "remove-claim hsm web --claimant 00112233445566778899aabbccddeeff --yes"},
        {"secrets", verb_secrets, 0, 1, 0, "[TOKEN]", "print the secret keys that you may see",
                "secrets\nsecrets hsm"},
        {"secret-generate", verb_secret_generate, 0, 1,
                BIT(TYPE) | BIT(LENGTH) | BIT(SIZE) | BIT(CURVE) | BIT(USAGE) | BIT(ID) | BIT(OUT),
                "[KEY] --type NAME --usage encrypt,... [--length BYTES] [--size BITS] [--curve NAME] [--id "
                "HEX] [--out FILE]",
                "make a secret key on the token, or without KEY a sealed one",
                "secret-generate hsm:master --type aes --length 32 --usage wrap,unwrap\nsecret-generate "
                "--type aes --length 16 --usage encrypt,decrypt --out session.sealed"},
        {"unwrap", verb_unwrap, 1, 1,
                BIT(ALGORITHM) | BIT(IV) | BIT(LABEL) | BIT(TYPE) | BIT(LENGTH) | BIT(SIZE) | BIT(CURVE) |
                        BIT(USAGE) | BIT(IN) | BIT(OUT),
                "KEY|@FILE [--algorithm NAME] --type NAME --usage encrypt,... [--iv HEX] [--label HEX] "
                "[--length BYTES] [--size BITS] [--curve NAME] [--in FILE|-] [--out FILE]",
                "make a sealed key of a wrapped one",
                "unwrap hsm:transport --algorithm rsa_oaep_sha256 --type aes --length 16 --usage decrypt "
                "--in wrapped.bin --out session.sealed"},
        {"wrap", verb_wrap, 1, 2,
                BIT(ALGORITHM) | BIT(IV) | BIT(LABEL) | BIT(PUBLIC_KEY) | BIT(OUT) | BIT(BASE64),
                "@SEALED [KEY|@FILE] [--algorithm NAME] [--public-key FILE] [--iv HEX] [--label HEX] [--out "
                "FILE] "
                "[--base64]",
                "wrap a sealed key by another key",
                "wrap @session.sealed hsm:master --algorithm aes_kwp --out wrapped.bin"},
        {"secret-delete", verb_secret_delete, 1, 1, BIT(YES), "KEY --yes",
                "destroy a secret key of the token", "secret-delete hsm:master --yes"},
        {"encrypt", verb_encrypt, 1, 1,
                BIT(ALGORITHM) | BIT(IV) | BIT(AAD) | BIT(IN) | BIT(OUT) | BIT(BASE64),
                "KEY|@FILE [--algorithm NAME] [--iv HEX] [--aad HEX] [--in FILE|-] [--out FILE] [--base64]",
                "encrypt with a secret key",
                "encrypt hsm:master --algorithm aes_cbc_pad --iv 00112233445566778899aabbccddeeff --in plain "
                "--out cipher"},
        {"status", verb_status, 0, 0, BIT(WATCH), "[--watch]",
                "print the state of tokens, sessions, queues and instances",
                "status\nstatus --watch\n--json status"},
        {"metrics", verb_metrics, 0, 0, 0, "", "print the same as OpenMetrics text", "metrics"},
        {"probe", verb_probe, 0, 1, 0, "[TOKEN]", "ask the device itself whether it answers",
                "probe\nprobe hsm"},
        {"retry", verb_retry, 1, 1, 0, "TOKEN", "try a token that failed once more: one attempt of its PIN",
                "retry hsm"},
        {"drain", verb_drain, 1, 1, 0, "TOKEN", "take a token out of service when its worker has finished",
                "drain hsm"},
        {"disable", verb_disable, 1, 1, 0, "TOKEN", "take a token out of service at once", "disable hsm"},
        {"enable", verb_enable, 1, 1, 0, "TOKEN", "put a token into service again", "enable hsm"},
        {"backup", verb_backup, 2, 2, BIT(PASSPHRASE_FILE) | BIT(CONFIG),
                "TOKEN FILE [--passphrase-file FILE|-] [--config FILE]",
                "save an internal token, keys and certificates, encrypted",
                "backup internal /root/internal.backup"},
        {"restore", verb_restore, 1, 2, BIT(PASSPHRASE_FILE) | BIT(CONFIG),
                "FILE [TOKEN] [--passphrase-file FILE|-] [--config FILE]",
                "put a saved internal token back, over nothing that is there",
                "restore /root/internal.backup"},
        {"make-anew", verb_make_anew, 1, 1, BIT(YES), "TOKEN --yes",
                "make an internal token anew, empty, whose keys are lost", "make-anew internal --yes"},
        {"doctor", verb_doctor, 0, 1, BIT(CONFIG) | BIT(LOGIN) | BIT(AS),
                "[TOKEN] [--config FILE] [--login] [--as USER]",
                "try what the configuration says; print what mends it",
                "doctor\ndoctor hsm --login\n--json doctor"},
        {"audit", verb_audit, 1, UINT_MAX,
                BIT(KEY) | BIT(PUBKEY) | BIT(FIRST_SEQ) | BIT(EXPECT_SEQ) | BIT(NO_SIGNATURES) | BIT(SINCE) |
                        BIT(UNTIL) | BIT(TOKEN) | BIT(OPERATION) | BIT(INSTANCE) | BIT(CONFIG),
                "show [FILE...] [--since TIME] [--until TIME] [--token TOKEN] [--key KEY] [--instance NAME] "
                "[--operation NAME]\n  audit verify [FILE...] [--key KEY | --pubkey FILE]... [--first-seq N] "
                "[--expect-seq N] [--no-signatures]\n  audit rotate",
                "print or check audit records, or begin a new file",
                "audit show --since 2h --key hsm:web\naudit verify --key hsm:audit\naudit rotate"},
};
const size_t n_verbs = ARRAY_SIZE(verbs);

const struct verb *verb_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

int verb_unknown(const char *name)
{
        struct nearest nearest = {.word = name};

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                nearest_consider(&nearest, verbs[i].name);
        nearest_consider(&nearest, "help");
        if (nearest.found)
                return usage("unknown verb '%s': did you mean %s? tokendctl --help lists the verbs", name,
                        nearest.found);
        return usage("unknown verb '%s'; tokendctl --help lists the verbs", name);
}
