/* SPDX-License-Identifier: MPL-2.0 */
/* See foreign-record.h. json-c is not linked here: a record is flat, and the scanner of its strings is in util. */
#include "daemon/audit/foreign-record.h"

#include <string.h>

#include "daemon/audit/line.h"
#include "daemon/audit/own-kind.h"
#include "daemon/util/json-string.h"

/* The broker's records have up to 20 members with names of up to 13 letters. */
#define MEMBERS_MAX      64U
#define MEMBER_NAME_SIZE 64U

static const char not_json[] = "it is not one JSON object of strings and numbers";

struct record_scan {
        const char *at, *end;
        char names[MEMBERS_MAX][MEMBER_NAME_SIZE];
        size_t n;
};

static bool take(struct record_scan *scan, char c)
{
        while (scan->at < scan->end && *scan->at == ' ')
                scan->at++;
        if (scan->at == scan->end || *scan->at != c)
                return false;
        scan->at++;
        return true;
}

/* Decodes the string that begins at scan->at. What does not fit into ret is an empty string there. */
static bool take_string(struct record_scan *scan, char *ret, size_t size)
{
        const char *begin;

        if (!take(scan, '"'))
                return false;
        begin = --scan->at;
        /* A value with U+0000 would end there for a reader in C: it is refused as a name with it is. */
        if (json_string_scan(&scan->at, scan->end, true) < 0)
                return false;
        *ret = '\0';
        if ((size_t)(scan->at - begin) < size)
                ret[json_string_decode(begin, scan->at, ret)] = '\0';
        return true;
}

static bool take_word(struct record_scan *scan)
{
        static const char *const words[] = {"true", "false", "null"};

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                size_t n = strlen(words[i]);

                if ((size_t)(scan->end - scan->at) >= n && memcmp(scan->at, words[i], n) == 0) {
                        scan->at += n;
                        return true;
                }
        }
        return false;
}

static bool take_number(struct record_scan *scan)
{
        const char *begin;

        (void)take(scan, '-');
        begin = scan->at;
        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
                scan->at++;
        return scan->at > begin && (*begin != '0' || scan->at == begin + 1);
}

static const char *name_fault(struct record_scan *scan)
{
        static const char *const chain[] = {"seq", "prev", "hash"};
        const char *name = scan->names[scan->n];

        for (size_t i = 0; i < ARRAY_SIZE(chain); i++)
                if (strcmp(name, chain[i]) == 0)
                        return "it has a member of the chain";
        for (size_t i = 0; i < scan->n; i++)
                if (strcmp(name, scan->names[i]) == 0)
                        return "it has a member twice";
        return name[0] ? NULL : "the name of a member is empty or too long";
}

static const char *member_fault(struct record_scan *scan)
{
        char value[MEMBER_NAME_SIZE] = "";
        const char *fault;

        if (scan->n == MEMBERS_MAX)
                return "it has too many members";
        if (!take_string(scan, scan->names[scan->n], MEMBER_NAME_SIZE) || !take(scan, ':'))
                return not_json;
        fault = name_fault(scan);
        if (fault)
                return fault;
        if (!take_string(scan, value, sizeof(value)) && !take_word(scan) && !take_number(scan))
                return not_json;
        if (strcmp(scan->names[scan->n], "kind") == 0 && own_kind_is(value))
                return "only tokend-audit writes this kind";
        scan->n++;
        return NULL;
}

const char *foreign_record_fault(const char *text, size_t length)
{
        struct record_scan scan = {.at = text, .end = text + length};
        const char *fault;

        if (!line_text_ok(text, length))
                return "it is empty, too long, not UTF-8, or has characters that would break its line";
        if (!take(&scan, '{'))
                return not_json;
        do {
                fault = member_fault(&scan);
                if (fault)
                        return fault;
        } while (take(&scan, ','));
        return take(&scan, '}') && scan.at == scan.end ? NULL : not_json;
}
