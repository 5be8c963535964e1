/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See subsystem.h. The nicknames are the defaults of Dogtag's pkispawn; older releases wrote them without the subsystem
 * at the end, so that two subsystems of one instance could not lie on one token.
 */
#include "client/tokendctl/subsystem.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES(...)                                                                                           \
        (const char *const[])                                                                                \
        {                                                                                                    \
                __VA_ARGS__, NULL                                                                            \
        }

/* Every subsystem has these two. */
#define SHARED "subsystemCert cert-%s", "Server-Cert cert-%s"
/* A nickname with the subsystem at its end, and without. */
#define OWN(what, subsystem) what " cert-%s " subsystem, what " cert-%s"

/* RSA keys, which pkispawn makes by default, and signatures with them. */
#define RSA "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS"

static const struct subsystem subsystems[] = {
        {"ca",
                NAMES(OWN("caSigningCert", "CA"), OWN("ocspSigningCert", "CA"), OWN("auditSigningCert", "CA"),
                        SHARED),
                NAMES(RSA)},
        /* It wraps what it archives under an AES session key, and the session key under its storage key. */
        {"kra",
                NAMES(OWN("transportCert", "KRA"), OWN("storageCert", "KRA"), OWN("auditSigningCert", "KRA"),
                        SHARED),
                NAMES(RSA, "CKM_AES_KEY_GEN", "CKM_AES_CBC_PAD")},
        {"ocsp", NAMES(OWN("ocspSigningCert", "OCSP"), OWN("auditSigningCert", "OCSP"), SHARED), NAMES(RSA)},
        /* It derives the keys of smart cards from a master key, piece by piece. */
        {"tks", NAMES(OWN("auditSigningCert", "TKS"), SHARED),
                NAMES(RSA, "CKM_DES3_KEY_GEN", "CKM_DES3_ECB", "CKM_CONCATENATE_BASE_AND_KEY",
                        "CKM_EXTRACT_KEY_FROM_KEY")},
        /* It shares a triple DES key with its TKS. */
        {"tps", NAMES(OWN("auditSigningCert", "TPS"), SHARED), NAMES(RSA, "CKM_DES3_ECB")},
        {"ra", NAMES(SHARED), NAMES(RSA)},
};

const char subsystem_names[] = "ca, kra, ocsp, tks, tps or ra";

const struct subsystem *subsystem_find(const char *name)
{
        for (size_t i = 0; i < sizeof(subsystems) / sizeof(subsystems[0]); i++)
                if (strcmp(subsystems[i].name, name) == 0)
                        return &subsystems[i];
        return NULL;
}

/* The format with the instance in the place of its one %s. NULL: no memory. */
static char *fill(const char *format, const char *instance)
{
        const char *place = strstr(format, "%s");

        return text_format("%.*s%s%s", (int)(place - format), format, instance, place + 2);
}

int subsystem_nicknames(const struct subsystem *subsystem, const char *instance, char ***ret, size_t *ret_n)
{
        size_t n = 0;
        char **nicknames;

        while (subsystem->nicknames[n])
                n++;
        nicknames = calloc(n, sizeof(*nicknames));
        if (!nicknames)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                nicknames[i] = fill(subsystem->nicknames[i], instance);
                if (nicknames[i])
                        continue;
                while (i > 0)
                        free(nicknames[--i]);
                free(nicknames);
                return -ENOMEM;
        }
        *ret = nicknames;
        *ret_n = n;
        return 0;
}
