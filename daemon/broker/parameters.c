/* SPDX-License-Identifier: MPL-2.0 */
/* See parameters.h. */
#include "daemon/broker/parameters.h"

#include "proto/limits.h"

/* Bytes of a key's name: a URI with a nickname and an id of which every byte is escaped, and room for the
 * token. */
#define NAME_MAX_BYTES 4096
/* Bytes of a distinguished name; the worker takes less. */
#define SUBJECT_MAX_BYTES 4096
/* Bytes of names that are short by nature; an error repeats them. */
#define WORD_MAX_BYTES 256
/* What Watch takes for an interval. */
#define WATCH_MIN_MS     100
#define WATCH_MAX_MS     3600000
#define WATCH_DEFAULT_MS 1000

#define STRING(type, wire, member, needed, longest)                                                          \
        {                                                                                                    \
                .name = wire, .kind = FIELD_STRING, .required = needed, .offset = offsetof(type, member),    \
                .max = longest                                                                               \
        }
#define BYTES(type, wire, member, needed)                                                                    \
        {                                                                                                    \
                .name = wire, .kind = FIELD_BYTES, .required = needed, .offset = offsetof(type, member)      \
        }
#define INT(type, wire, member, needed, least, most, left_out)                                               \
        {                                                                                                    \
                .name = wire, .kind = FIELD_INT, .required = needed, .offset = offsetof(type, member),       \
                .min = least, .max = most, .otherwise = left_out                                             \
        }
#define STRINGS(type, wire, member, needed, most)                                                            \
        {                                                                                                    \
                .name = wire, .kind = FIELD_STRINGS, .required = needed, .offset = offsetof(type, member),   \
                .max = most                                                                                  \
        }
#define BOOL(type, wire, member)                                                                             \
        {                                                                                                    \
                .name = wire, .kind = FIELD_BOOL, .offset = offsetof(type, member)                           \
        }

const struct field envelope_fields[N_ENVELOPE_FIELDS] = {
        STRING(struct envelope, "method", method, true, WORD_MAX_BYTES),
        {.name = "parameters", .kind = FIELD_OBJECT, .offset = offsetof(struct envelope, parameters)},
        BOOL(struct envelope, "oneway", oneway),
        BOOL(struct envelope, "more", more),
        BOOL(struct envelope, "upgrade", upgrade),
};

const struct field list_fields[N_LIST_FIELDS] = {
        STRING(struct list_parameters, "token", token, false, WORD_MAX_BYTES),
        STRING(struct list_parameters, "nickname", nickname, false, NAME_MAX_BYTES),
};

const struct field get_fields[N_GET_FIELDS] = {
        STRING(struct get_parameters, "key", key, true, NAME_MAX_BYTES),
};

const struct field generate_fields[N_GENERATE_FIELDS] = {
        STRING(struct generate_parameters, "token", token, false, WORD_MAX_BYTES),
        STRING(struct generate_parameters, "nickname", nickname, true, NAME_MAX_BYTES),
        STRING(struct generate_parameters, "type", type, true, WORD_MAX_BYTES),
        INT(struct generate_parameters, "size", size, false, LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX, 0),
        STRING(struct generate_parameters, "curve", curve, false, WORD_MAX_BYTES),
        STRINGS(struct generate_parameters, "usage", usage, false, 16),
        BOOL(struct generate_parameters, "loadable", loadable),
        INT(struct generate_parameters, "timeoutMs", timeout_ms, false, 1, LIMIT_TIMEOUT_MS, 0),
};

const struct field sign_fields[N_SIGN_FIELDS] = {
        STRING(struct sign_parameters, "key", key, true, NAME_MAX_BYTES),
        STRING(struct sign_parameters, "algorithm", algorithm, true, WORD_MAX_BYTES),
        BYTES(struct sign_parameters, "digest", digest, false),
        BYTES(struct sign_parameters, "message", message, false),
        INT(struct sign_parameters, "timeoutMs", timeout_ms, false, 1, LIMIT_TIMEOUT_MS, DEFAULT_TIMEOUT_MS),
};

const struct field verify_fields[N_VERIFY_FIELDS] = {
        STRING(struct verify_parameters, "key", key, false, NAME_MAX_BYTES),
        BYTES(struct verify_parameters, "publicKey", public_key, false),
        STRING(struct verify_parameters, "algorithm", algorithm, true, WORD_MAX_BYTES),
        BYTES(struct verify_parameters, "digest", digest, false),
        BYTES(struct verify_parameters, "message", message, false),
        BYTES(struct verify_parameters, "signature", signature, true),
};

const struct field random_fields[N_RANDOM_FIELDS] = {
        INT(struct random_parameters, "length", length, true, 1, LIMIT_RANDOM, 0),
};

const struct field certificate_fields[N_CERTIFICATE_FIELDS] = {
        STRING(struct certificate_parameters, "certificate", certificate, true, NAME_MAX_BYTES),
};

const struct field cert_request_fields[N_CERT_REQUEST_FIELDS] = {
        STRING(struct cert_request_parameters, "key", key, true, NAME_MAX_BYTES),
        STRING(struct cert_request_parameters, "subject", subject, true, SUBJECT_MAX_BYTES),
        STRING(struct cert_request_parameters, "algorithm", algorithm, false, WORD_MAX_BYTES),
        STRINGS(struct cert_request_parameters, "dnsNames", dns_names, false, LIMIT_DNS_NAMES),
};

const struct field self_sign_fields[N_SELF_SIGN_FIELDS] = {
        STRING(struct self_sign_parameters, "key", request.key, true, NAME_MAX_BYTES),
        STRING(struct self_sign_parameters, "subject", request.subject, true, SUBJECT_MAX_BYTES),
        STRING(struct self_sign_parameters, "algorithm", request.algorithm, false, WORD_MAX_BYTES),
        STRINGS(struct self_sign_parameters, "dnsNames", request.dns_names, false, LIMIT_DNS_NAMES),
        INT(struct self_sign_parameters, "validityDays", validity_days, true, 1, LIMIT_VALIDITY_DAYS, 0),
        BOOL(struct self_sign_parameters, "ca", ca),
};

const struct field import_fields[N_IMPORT_FIELDS] = {
        STRING(struct import_parameters, "token", token, false, WORD_MAX_BYTES),
        STRING(struct import_parameters, "nickname", nickname, true, NAME_MAX_BYTES),
        BYTES(struct import_parameters, "certificate", certificate, true),
};

const struct field check_fields[N_CHECK_FIELDS] = {
        STRING(struct check_parameters, "token", token, false, WORD_MAX_BYTES),
        STRINGS(struct check_parameters, "nicknames", nicknames, true, LIMIT_CHECK_NAMES),
        STRINGS(struct check_parameters, "mechanisms", mechanisms, false, LIMIT_CHECK_NAMES),
};

const struct field remove_claim_fields[N_REMOVE_CLAIM_FIELDS] = {
        STRING(struct remove_claim_parameters, "token", token, true, WORD_MAX_BYTES),
        STRING(struct remove_claim_parameters, "nickname", nickname, true, NAME_MAX_BYTES),
        STRING(struct remove_claim_parameters, "claimant", claimant, true, WORD_MAX_BYTES),
};

const struct field description_fields[N_DESCRIPTION_FIELDS] = {
        STRING(struct description_parameters, "interface", interface, true, WORD_MAX_BYTES),
};

const struct field watch_fields[N_WATCH_FIELDS] = {
        INT(struct watch_parameters, "intervalMs", interval_ms, false, WATCH_MIN_MS, WATCH_MAX_MS,
                WATCH_DEFAULT_MS),
};

const struct field probe_fields[N_PROBE_FIELDS] = {
        STRING(struct probe_parameters, "token", token, true, WORD_MAX_BYTES),
};
