/* SPDX-License-Identifier: MPL-2.0 */
/* One request of a connection, from its message to its reply. JSON ends here: a method sees its parameters'
 * struct. */
#pragma once

#include "daemon/broker/connection.h"
#include "daemon/broker/token.h"
#include "proto/error.h"
#include "proto/fields.h"

struct request;

enum render {
        RENDER_LAST,   /* that was the (last) reply */
        RENDER_MORE,   /* others follow, as soon as there is room */
        RENDER_LATER,  /* others follow, when request->next_usec has come */
        RENDER_FAILED, /* nothing was written, and request_fail() was called */
};

/* Which socket a method is served on. */
enum method_socket {
        ON_KEYS = 1,
        ON_STATUS = 2,
        ON_BOTH = 3,
};

struct method {
        const char *name;      /* behind the interface */
        const char *interface; /* whose errors it gives */
        enum method_socket socket;
        unsigned right; /* enum config_right; 0: nobody's to give */
        unsigned audit; /* enum audit_kind of its records; 0: none are made */
        bool parallel;  /* runs beside others of its connection that are parallel */
        const struct field *fields;
        size_t n_fields, parameters_size;
        /* Does it, or starts it: sooner or later request_done() or request_fail() is called. Called again
         * when what it waited for by request_wait() is there. */
        void (*begin)(struct request *request);
        /* Writes the parameters of one reply. NULL: there are none. */
        enum render (*render)(struct request *request, struct output *output);
};

/* What a List goes through, a few in each reply. */
struct listing {
        size_t n, at;
        struct entry *entries[];
};

struct request {
        struct link link;
        struct connection *connection;
        const struct method *method; /* NULL: none that there is */
        struct json_object
                *message; /* what the strings in parameters lie in; NULL: nothing reads them any more */
        size_t n_bytes;   /* of the message */
        struct instance *instance; /* whose it counts as; NULL: none's */
        struct job *job;           /* under way; NULL: none */
        uint64_t received_usec, deadline_usec, next_usec;
        bool oneway, more, begun, done;
        bool waited; /* it has been to a lookup already */

        const char *key, *algorithm; /* as the errors name them */
        const char *nickname;        /* that is to be given; NULL: key is it */
        const char *invalid;         /* the parameter that the worker refused, if it refuses one */
        bool of_certificate;         /* what key names, and what may not be there, is a certificate */

        enum proto_error error;
        char *error_parameters; /* the JSON object; NULL: an empty one */
        unsigned char *payload;
        size_t n_payload, at; /* at: of the payload, what is written */
        char *text;           /* of Check: what stands in each reply */
        bool probe_ok;
        uint64_t probe_ckr, probe_usec;
        struct entry *entry;
        struct listing *listing;

        /* audit-record.c's and resolve.c's */
        uint64_t number;          /* in the records; 0: in none yet */
        struct audit_item *audit; /* the record that has to be safe before it goes on; NULL: none */
        struct job *held_job;     /* that waits for that */
        char *held_token;         /* and where it goes */
        const struct job *over;   /* the job that has just ended; NULL: none */
        uint64_t over_ckr;
        bool announced; /* its `begun` is recorded: so must its end be */
        bool recorded;

        _Alignas(max_align_t) unsigned char parameters[];
};

/* method may be NULL. message is taken over. NULL: no memory. */
struct request *request_new(struct connection *connection, const struct method *method,
        struct json_object *message, size_t n_bytes);
/* Forgets what is under way for it. A oneway's job is carried on: nobody was to wait for it. */
void request_free(struct request *request);

void request_begin(struct request *request);

static inline bool request_is_parallel(const struct request *request)
{
        return !request->method || request->method->parallel;
}

/* One whole message (a JSON object and a NUL) into output, if there is one to be written. */
enum render request_render(struct request *request, struct output *output);

/* ---- for methods ---- */

void request_done(struct request *request);
/* parameters: a JSON object, taken over; NULL: without any, or no memory for them. */
void request_fail(struct request *request, enum proto_error error, char *parameters);
/* With one string. */
void request_fail_with(struct request *request, enum proto_error error, const char *name, const char *value);
void request_invalid(struct request *request, const char *parameter);
/* PermissionDenied, counted and logged. */
void request_denied(struct request *request, const char *operation);
/* What a job's end means to the caller; not for JOB_OK. */
void request_fail_job(struct request *request, struct token *token, const struct job_result *result);

/* Hands the job to the token; done is called with the request as userdata once it is over. */
void request_submit(struct request *request, struct token *token, struct job *job,
        void (*done)(struct request *request, struct token *token, const struct job_result *result));
/* For done: keeps the payload of the answer, for the reply; or fails. */
void request_keep_payload(struct request *request, struct token *token, const struct job_result *result);
/* The job that waited for its record is submitted; may: false: it is not. */
void request_go_on(struct request *request, bool may);
/* AuditUnavailable. */
void request_fail_unrecorded(struct request *request);
/* Begins again when the token's directory is there, or was renewed. */
void request_wait(struct request *request, struct token *token);

/* Whether the token's directory is there; else the request waits for it, or has failed. */
bool request_has_directory(struct request *request, struct token *token);

/* Finds the key of that name which the caller may see. 1: not now, or not at all: the request waits or has
 * failed. parameter: where the name stood. */
int request_find_key(struct request *request, const char *name, const char *parameter,
        struct token **ret_token, struct entry **ret_entry);
/* Likewise a certificate: its name is the parameter `certificate`. */
int request_find_certificate(
        struct request *request, const char *name, struct token **ret_token, struct entry **ret_entry);
/* Whether the caller may; else the request has failed. */
bool request_may(struct request *request, unsigned right);
/* The token of that name (NULL: the caller's own) if the caller may see it; else NULL, and the request has
 * failed. */
struct token *request_find_token(struct request *request, const char *name);
