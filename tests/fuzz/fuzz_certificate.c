/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A certificate, by its two readers: the walk to the public key, and what the worker tells about it. They must not differ:
 * whose certificate it is decides who may import it.
 */
#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/worker/encoding/certificate.h"
#include "tests/fuzz/fuzz.h"

static bool within(const void *outer, size_t outer_length, const void *inner, size_t inner_length)
{
        uintptr_t from = (uintptr_t)outer, at = (uintptr_t)inner;

        return at >= from && at - from <= outer_length && inner_length <= outer_length - (at - from);
}

static void check_parsed(const struct certificate *certificate, struct der der)
{
        const char *serial = certificate->serial_text;

        CHECK(within(der.data, der.length, certificate->spki.data, certificate->spki.length));
        CHECK(within(der.data, der.length, certificate->serial.data, certificate->serial.length));
        CHECK(within(der.data, der.length, certificate->issuer.data, certificate->issuer.length));
        CHECK(within(der.data, der.length, certificate->subject.data, certificate->subject.length));
        CHECK(text_is_utf8(certificate->subject_text, strlen(certificate->subject_text)));
        CHECK(text_is_utf8(certificate->issuer_text, strlen(certificate->issuer_text)));
        /* A negative one begins with '-'. */
        serial += *serial == '-';
        CHECK(strspn(serial, "0123456789abcdef") == strlen(serial));
}

static void check_key(struct der spki)
{
        struct der key;
        unsigned bits = 0;

        if (spki_key_type(spki, &bits, &key) != 0) {
                CHECK(bits > 0 && within(spki.data, spki.length, key.data, key.length));
                CHECK(spki_is_same(spki, spki));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct der der = {data, size}, spki;
        struct certificate certificate;
        bool found = spki_of_certificate(der, &spki);

        if (found) {
                CHECK(within(data, size, spki.data, spki.length));
                CHECK(spki_is_same(spki, spki));
                check_key(spki);
        }
        if (certificate_parse(der, &certificate)) {
                check_parsed(&certificate, der);
                if (found)
                        CHECK(certificate.spki.data == spki.data && certificate.spki.length == spki.length);
        }
        check_key(der);
        return 0;
}
