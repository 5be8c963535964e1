/* SPDX-License-Identifier: MPL-2.0 */
/* See certificate.h. */
#include "daemon/worker/encoding/certificate.h"

#include <string.h>
#include <time.h>

#include "daemon/util/text.h"

#define TAG_INTEGER     0x02U
#define TAG_BIT_STRING  0x03U
#define TAG_UTC         0x17U
#define TAG_GENERALIZED 0x18U
#define TAG_SEQUENCE    0x30U
#define TAG_VERSION     0xa0U

/* The next element, whole, of that tag. */
static bool take(struct der *in, uint8_t tag, struct der *ret)
{
        const uint8_t *begin = in->data;
        struct der content;
        uint8_t got;

        if (!der_next(in, &got, &content) || got != tag)
                return false;
        *ret = (struct der){begin, (size_t)(in->data - begin)};
        return true;
}

static bool take_content(struct der *in, uint8_t tag, struct der *ret)
{
        uint8_t got;

        return der_next(in, &got, ret) && got == tag;
}

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

        if (!der_next(in, &tag, &text) || (tag != TAG_UTC && tag != TAG_GENERALIZED))
                return false;
        years = tag == TAG_UTC ? 2 : 4;
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
        if (tag == TAG_UTC)
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

        return take_content(in, TAG_SEQUENCE, &validity) &&
               take_time(&validity, &certificate->not_before_usec) &&
               take_time(&validity, &certificate->not_after_usec) && validity.length == 0;
}

static bool show_serial(struct certificate *certificate)
{
        struct der whole = certificate->serial, value;

        if (!take_content(&whole, TAG_INTEGER, &value) || value.length == 0)
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

        if (tbs.length > 0 && *tbs.data == TAG_VERSION && !take(&tbs, TAG_VERSION, &ignored))
                return false;
        return take(&tbs, TAG_INTEGER, &certificate->serial) && take(&tbs, TAG_SEQUENCE, &ignored) &&
               take(&tbs, TAG_SEQUENCE, &certificate->issuer) && take_validity(&tbs, certificate) &&
               take(&tbs, TAG_SEQUENCE, &certificate->subject) &&
               take(&tbs, TAG_SEQUENCE, &certificate->spki) && show_serial(certificate) &&
               dn_to_text(certificate->issuer, certificate->issuer_text) &&
               dn_to_text(certificate->subject, certificate->subject_text);
}

bool certificate_parse(struct der der, struct certificate *ret)
{
        struct der body, tbs, ignored;
        bool good;

        *ret = (struct certificate){0};
        good = take_content(&der, TAG_SEQUENCE, &body) && der.length == 0 &&
               take_content(&body, TAG_SEQUENCE, &tbs) && take(&body, TAG_SEQUENCE, &ignored) &&
               take(&body, TAG_BIT_STRING, &ignored) && body.length == 0 && parse_tbs(tbs, ret);
        if (!good)
                *ret = (struct certificate){0};
        return good;
}
