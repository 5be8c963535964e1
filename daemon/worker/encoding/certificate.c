/* SPDX-License-Identifier: MPL-2.0 */
/* See certificate.h. */
#include "daemon/worker/encoding/certificate.h"

#include <string.h>
#include <time.h>

#include "daemon/util/text.h"

/* Two digits, or four, that are at least least and at most most. */
static bool take_number(struct der *text, size_t n, int least, int most, int *ret)
{
        int value = 0;

        if (text->length < n)
                return false;
        for (size_t i = 0; i < n; i++) {
                if (text->data[i] < '0' || text->data[i] > '9')
                        return false;
                value = 10 * value + (text->data[i] - '0');
        }
        if (value < least || value > most)
                return false;
        text->data += n;
        text->length -= n;
        *ret = value;
        return true;
}

static bool take_character(struct der *text, char c)
{
        if (text->length == 0 || *text->data != (uint8_t)c)
                return false;
        text->data++;
        text->length--;
        return true;
}

/* Z, or how far the zone is from UTC in seconds. */
static bool take_zone(struct der *text, time_t *ret)
{
        int hours = 0, minutes = 0;
        bool east = take_character(text, '+');

        if (!east && !take_character(text, '-'))
                return take_character(text, 'Z') && text->length == 0;
        if (!take_number(text, 2, 0, 14, &hours) || !take_number(text, 2, 0, 59, &minutes) ||
                text->length > 0)
                return false;
        *ret = (east ? 1 : -1) * 60 * (60 * hours + minutes);
        return true;
}

/* YYMMDDHHMM or, of a GeneralizedTime, YYYYMMDDHHMM; then SS or nothing, a fraction of a second or nothing, and the zone. */
static bool read_time(struct der text, bool generalized, time_t *ret)
{
        struct tm tm = {0};
        time_t offset = 0;
        int ignored;

        if (!take_number(&text, generalized ? 4 : 2, 0, 9999, &tm.tm_year) ||
                !take_number(&text, 2, 1, 12, &tm.tm_mon) || !take_number(&text, 2, 1, 31, &tm.tm_mday) ||
                !take_number(&text, 2, 0, 23, &tm.tm_hour) || !take_number(&text, 2, 0, 59, &tm.tm_min))
                return false;
        if (take_number(&text, 2, 0, 60, &tm.tm_sec) && generalized && take_character(&text, '.'))
                while (take_number(&text, 1, 0, 9, &ignored))
                        continue;
        if (!take_zone(&text, &offset))
                return false;
        tm.tm_year += generalized ? -1900 : tm.tm_year < 50 ? 100 : 0;
        tm.tm_mon--;
        *ret = timegm(&tm) - offset;
        return true;
}

/* YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ are what RFC 5280 (4.1.2.5) allows. */
static bool take_time(struct der *in, uint64_t *ret_usec, bool *odd)
{
        struct der text;
        uint8_t tag;
        time_t time;
        bool generalized;

        if (!der_next(in, &tag, &text))
                return false;
        generalized = tag == DER_TAG_GENERALIZED_TIME;
        if ((!generalized && tag != DER_TAG_UTC_TIME) || !read_time(text, generalized, &time)) {
                *odd = true;
                return true;
        }
        *odd = *odd || text.length != (generalized ? 15 : 13) || text.data[text.length - 1] != 'Z';
        *ret_usec = time > 0 ? (uint64_t)time * USEC_PER_SEC : 0;
        return true;
}

static bool take_validity(struct der *in, struct certificate *certificate)
{
        struct der validity;

        return der_take(in, DER_TAG_SEQUENCE, &validity) &&
               take_time(&validity, &certificate->not_before_usec, &certificate->odd) &&
               take_time(&validity, &certificate->not_after_usec, &certificate->odd) && validity.length == 0;
}

/* The first bytes of the amount of a negative integer: the complement of its bytes, and 1 more. */
static size_t negate(struct der value, uint8_t *ret, size_t max)
{
        size_t last = value.length - 1, skipped = 0, n;

        /* Only behind the last byte that is not 0 the 1 makes a difference. */
        while (value.data[last] == 0)
                last--;
        while (skipped < last && value.data[skipped] == 0xff)
                skipped++;
        n = MIN_OF(value.length - skipped, max);
        for (size_t i = 0; i < n; i++) {
                uint8_t byte = value.data[skipped + i];

                ret[i] = (uint8_t)(skipped + i < last ? ~byte : -byte);
        }
        return n;
}

static bool show_serial(struct certificate *certificate)
{
        struct der whole = certificate->serial, value;
        uint8_t amount[(CERTIFICATE_SERIAL_MAX - 2) / 2];
        char *text = certificate->serial_text;

        if (!der_take(&whole, DER_TAG_INTEGER, &value) || value.length == 0)
                return false;
        if (*value.data & 0x80) {
                *text++ = '-';
                value = (struct der){amount, negate(value, amount, sizeof(amount))};
        }
        while (value.length > 1 && *value.data == 0) {
                value.data++;
                value.length--;
        }
        text_hex(value.data, MIN_OF(value.length, sizeof(amount)), text);
        return true;
}

static void show_name(struct certificate *certificate, struct der name, char *ret)
{
        if (dn_to_text(name, ret))
                return;
        *ret = '\0';
        certificate->odd = true;
}

static bool parse_tbs(struct der tbs, struct certificate *certificate)
{
        struct der ignored;

        /* v1 has no version. */
        (void)der_take(&tbs, DER_TAG_CONTEXT_0, &ignored);
        if (!der_take_whole(&tbs, DER_TAG_INTEGER, &certificate->serial) ||
                !der_take_whole(&tbs, DER_TAG_SEQUENCE, &ignored) ||
                !der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->issuer) ||
                !take_validity(&tbs, certificate) ||
                !der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->subject) ||
                !der_take_whole(&tbs, DER_TAG_SEQUENCE, &certificate->spki) || !show_serial(certificate))
                return false;
        show_name(certificate, certificate->issuer, certificate->issuer_text);
        show_name(certificate, certificate->subject, certificate->subject_text);
        return true;
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

size_t certificate_length(struct der der)
{
        struct der rest = der, whole;
        struct certificate certificate;

        return der_take_whole(&rest, DER_TAG_SEQUENCE, &whole) && certificate_parse(whole, &certificate)
                       ? whole.length
                       : der.length;
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
