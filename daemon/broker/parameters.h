/* SPDX-License-Identifier: MPL-2.0 */
/* The parameters of the methods, as structs; which JSON fields fill them stands in parameters.c, and nowhere
 * else. */
#pragma once

#include "proto/fields.h"

struct list_parameters {
        const char *token, *nickname;
};

struct get_parameters {
        const char *key;
};

struct generate_parameters {
        const char *token, *nickname, *type, *curve;
        struct json_object *usage;
        int64_t size, timeout_ms; /* 0: left out */
        bool loadable;
};

struct sign_parameters {
        const char *key, *algorithm;
        struct field_bytes digest, message;
        int64_t timeout_ms;
};

struct verify_parameters {
        const char *key, *algorithm;
        struct field_bytes public_key, digest, message, signature;
};

struct random_parameters {
        int64_t length;
};

struct certificate_parameters {
        const char *certificate;
};

struct cert_request_parameters {
        const char *key, *subject, *algorithm;
        struct json_object *dns_names;
};

struct self_sign_parameters {
        struct cert_request_parameters request;
        int64_t validity_days;
        bool ca;
};

struct import_parameters {
        const char *token, *nickname;
        struct field_bytes certificate;
};

struct check_parameters {
        const char *token;
        struct json_object *nicknames, *mechanisms;
};

struct description_parameters {
        const char *interface;
};

struct watch_parameters {
        int64_t interval_ms;
};

struct probe_parameters {
        const char *token;
};

struct remove_claim_parameters {
        const char *token, *nickname, *claimant;
};

/* The message itself. */
struct envelope {
        const char *method;
        struct json_object *parameters;
        bool oneway, more, upgrade;
};

#define N_ENVELOPE_FIELDS     5
#define N_LIST_FIELDS         2
#define N_GET_FIELDS          1
#define N_GENERATE_FIELDS     8
#define N_SIGN_FIELDS         5
#define N_VERIFY_FIELDS       6
#define N_RANDOM_FIELDS       1
#define N_CERTIFICATE_FIELDS  1
#define N_CERT_REQUEST_FIELDS 4
#define N_SELF_SIGN_FIELDS    6
#define N_IMPORT_FIELDS       3
#define N_CHECK_FIELDS        3
#define N_REMOVE_CLAIM_FIELDS 3
#define N_DESCRIPTION_FIELDS  1
#define N_WATCH_FIELDS        1
#define N_PROBE_FIELDS        1

extern const struct field envelope_fields[N_ENVELOPE_FIELDS];
extern const struct field list_fields[N_LIST_FIELDS];
extern const struct field get_fields[N_GET_FIELDS];
extern const struct field generate_fields[N_GENERATE_FIELDS];
extern const struct field sign_fields[N_SIGN_FIELDS];
extern const struct field verify_fields[N_VERIFY_FIELDS];
extern const struct field random_fields[N_RANDOM_FIELDS];
extern const struct field certificate_fields[N_CERTIFICATE_FIELDS];
extern const struct field cert_request_fields[N_CERT_REQUEST_FIELDS];
extern const struct field self_sign_fields[N_SELF_SIGN_FIELDS];
extern const struct field import_fields[N_IMPORT_FIELDS];
extern const struct field check_fields[N_CHECK_FIELDS];
extern const struct field remove_claim_fields[N_REMOVE_CLAIM_FIELDS];
extern const struct field description_fields[N_DESCRIPTION_FIELDS];
extern const struct field watch_fields[N_WATCH_FIELDS];
extern const struct field probe_fields[N_PROBE_FIELDS];
