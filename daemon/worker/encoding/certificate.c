/* SPDX-License-Identifier: MPL-2.0 */
/* See certificate.h. */
#include "daemon/worker/encoding/certificate.h"

#include <string.h>
#include <time.h>

#include "daemon/util/text.h"

static bool number(const uint8_t *digits, size_t n, int *ret)
{
        int value = 0;

        for (size_t i = 0; i < n; i++) {
                if (digits[i] < '0' || digits[i] > '9')
                        return false;
                value = 10 * value + (digits[i] - '0');
        }
        *ret = value;
        return true;
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5): no other form. */
static bool take_time(struct der *in, uint64_t *ret_usec)
{
        struct tm tm = {0};
        struct der text;
        uint8_t tag;
        size_t years;
        time_t time;

        if (!der_next(in, &tag, &text) || (tag != DER_TAG_UTC_TIME && tag != DER_TAG_GENERALIZED_TIME))
                return false;
        years = tag == DER_TAG_UTC_TIME ? 2 : 4;
        if (text.length != years + 11 || text.data[years + 10] != 'Z' ||
                !number(text.data, years, &tm.tm_year) || !number(text.data + years, 2, &tm.tm_mon) ||
                !number(text.data + years + 2, 2, &tm.tm_mday) ||
                !number(text.data + years + 4, 2, &tm.tm_hour) ||
                !number(text.data + years + 6, 2, &tm.tm_min) ||
                !number(text.data + years + 8, 2, &tm.tm_sec))
                return false;
        if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
                tm.tm_min > 59 || tm.tm_sec > 60)
                return false;
        if (tag == DER_TAG_UTC_TIME)
                tm.tm_year += tm.tm_year < 50 ? 100 : 0;
        else
                tm.tm_year -= 1900;
        tm.tm_mon--;
        time = timegm(&tm);
        *ret_usec = time > 0 ? (uint64_t)time * USEC_PER_SEC : 0;
        return true;
}

static bool take_validity(struct der *in, struct certificate *certificate)
{
        struct der validity;

        return der_take(in, DER_TAG_SEQUENCE, &validity) &&
               take_time(&validity, &certificate->not_before_usec) &&
               take_time(&validity, &certificate->not_after_usec) && validity.length == 0;
}

static bool show_serial(struct certificate *certificate)
{
        struct der whole = certificate->serial, value;

        if (!der_take(&whole, DER_TAG_INTEGER, &value) || value.length == 0)
                return false;
        while (value.length > 1 && *value.data == 0) {
                value.data++;
                value.length--;
        }
        text_hex(
                value.data, MIN_OF(value.length, (CERTIFICATE_SERIAL_MAX - 1) / 2), certificate->serial_text);
        return true;
}

static bool parse_tbs(struct der tbs, struct certificate *certificate)
{
        struct der ignored;

        /* v1 has no version. */
        (void)der_take(&tbs, DER_TAG_CONTEXT_0, &ignored);
        return der_take_whole(&tbs, DER_TAG_INTEGER, &certificate->serial) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, &ignored) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->issuer) &&
               take_validity(&tbs, certificate) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->subject) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->spki) && show_serial(certificate) &&
               dn_to_text(certificate->issuer, certificate->issuer_text) &&
               dn_to_text(certificate->subject, certificate->subject_text);
}

bool certificate_parse(struct der der, struct certificate *ret)
{
        struct der body, tbs, ignored;
        bool good;

        *ret = (struct certificate){0};
        good = der_take(&der, DER_TAG_SEQUENCE, &body) && der.length == 0 &&
               der_take(&body, DER_TAG_SEQUENCE, &tbs) && der_take_whole(&body, DER_TAG_SEQUENCE, &ignored) &&
               der_take_whole(&body, DER_TAG_BIT_STRING, &ignored) && body.length == 0 && parse_tbs(tbs, ret);
        if (!good)
                *ret = (struct certificate){0};
        return good;
}

int certificate_subject_apart(struct der subject, uint8_t **ret, size_t *ret_length)
{
        struct der name;
        size_t n_length;
        uint8_t *out;

        if (!der_take(&subject, DER_TAG_SEQUENCE, &name) || name.length > 0xffffff)
                return -EINVAL;
        /* DER's head has a tag, a first byte and n_length - 1 bytes of length. */
        n_length = der_head(NULL, DER_TAG_SEQUENCE, name.length) - 1;
        out = malloc(2 + n_length + name.length);
        if (!out)
                return -ENOMEM;
        out[0] = DER_TAG_SEQUENCE;
        out[1] = (uint8_t)(0x80 | n_length);
        for (size_t i = 0; i < n_length; i++)
                out[2 + i] = (uint8_t)(name.length >> (8 * (n_length - 1 - i)));
        memcpy(out + 2 + n_length, name.data, name.length);
        *ret = out;
        *ret_length = 2 + n_length + name.length;
        return 0;
}

bool certificate_is_apart(struct der subject)
{
        const uint8_t *at = subject.data;

        if (subject.length < 3 || at[0] != DER_TAG_SEQUENCE || !(at[1] & 0x80))
                return false;
        return at[2] == 0 || (at[1] == 0x81 && at[2] < 0x80);
}
