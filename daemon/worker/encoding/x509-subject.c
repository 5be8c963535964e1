/* SPDX-License-Identifier: MPL-2.0 */
/* See x509.h: subject and DNS names, as a client gave them. */
#include <nss/secder.h>
#include <nss/secerr.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/encoding/x509.h"
#include "proto/limits.h"

/* A ring, as NSS wants it; the bytes stay where they are. */
static const char *get_names(PLArenaPool *arena, struct wire_bytes names, CERTGeneralName **ret)
{
        const char *at = (const char *)names.data, *end = at + names.length;
        CERTGeneralName *first = NULL;
        size_t n = 0;

        if (names.length == 0)
                return NULL;
        if (end[-1] != '\0')
                return "dnsNames: the last is not ended";
        for (; at < end; at += strlen(at) + 1) {
                CERTGeneralName *name;

                if (!text_is_dns_name(at))
                        return "dnsNames: one is no DNS name";
                if (++n > LIMIT_DNS_NAMES)
                        return "dnsNames: too many";
                name = PORT_ArenaZAlloc(arena, sizeof(*name));
                if (!name)
                        return "dnsNames: out of memory";
                name->type = certDNSName;
                name->name.other =
                        (SECItem){siAsciiString, (unsigned char *)(uintptr_t)at, (unsigned)strlen(at)};
                if (!first) {
                        first = name;
                        PR_INIT_CLIST(&name->l);
                } else
                        PR_INSERT_BEFORE(&name->l, &first->l);
        }
        *ret = first;
        return NULL;
}

const char *x509_subject(
        PLArenaPool *arena, const char *subject, struct wire_bytes dns_names, struct x509_subject *ret)
{
        uint8_t der[DN_DER_MAX];
        SECItem item = {siBuffer, der, 0}, copy;
        struct x509_subject made = {.name = {.arena = NULL}};
        size_t length = 0;
        const char *wrong = dn_from_text(subject, der, &length);

        if (wrong) {
                char *text = PORT_ArenaZAlloc(arena, sizeof("subject: ") + strlen(wrong));
                if (text)
                        sprintf(text, "subject: %s", wrong);
                return text ? text : "subject: it does not parse";
        }
        item.len = (unsigned)length;
        if (SECITEM_CopyItem(arena, &copy, &item) != SECSuccess ||
                SEC_QuickDERDecodeItem(arena, &made.name, SEC_ASN1_GET(CERT_NameTemplate), &copy) !=
                        SECSuccess)
                return "subject: NSS does not take it";
        wrong = get_names(arena, dns_names, &made.dns_names);
        if (wrong)
                return wrong;
        *ret = made;
        return NULL;
}
