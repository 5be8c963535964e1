/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A stage in one process for the broker's core: the real broker without main() and the sandbox, a supervisor, workers,
 * tokend-audit, a journal and clients that are this test, all on socket pairs, and a clock that moves when it is told to.
 * Nothing sleeps, and nothing is started.
 *
 * bench_stage.c   the broker, the supervisor, the clock
 * bench_worker.c  workers, and the token behind them, which knows what was really done to it
 * bench_token.c   what lies on the token
 * bench_sealed.c  sealed keys, which clients give and workers make
 * bench_audit.c   who keeps records, and what they say
 * bench_client.c  clients, and what they were answered
 * bench_cell.c    brings one request into a state, has one thing happen to it, and lets everything come to its end
 * bench_check.c   what must be so then
 * bench_product.c which cells there are, and what their replies may say
 * bench_report.c  names of cells, and what is wrong with them
 */
#pragma once

#include "daemon/broker/broker.h"
#include "daemon/broker/net/connection.h"
#include "proto/error.h"

/* ---- what one run is about ---- */

enum bench_what {
        DO_SIGN, /* of a digest */
        DO_DECRYPT,
        DO_DERIVE,
        DO_VERIFY,
        DO_GENERATE,
        DO_DELETE,
        DO_IMPORT,
        DO_REPLACE, /* Import, in the place of a certificate */
        DO_RENAME,
        DO_LIST,
        DO_RANDOM,
        /* io.tokend.Secrets: */
        DO_SEAL,  /* Generate, of a sealed key */
        DO_STORE, /* Generate, on the token */
        DO_DISCARD,
        DO_UNWRAP, /* by a key of the token */
        DO_WRAP,
        DO_AGREE,
        DO_ENCRYPT,  /* with a sealed key */
        DO_DECIPHER, /* with a secret of the token */
        DO_SIGN_SEALED,
        N_WHAT,
};

/* Where the request is when something happens. */
enum bench_where {
        AT_NEW,          /* behind another request of its connection */
        AT_WAITING,      /* for the directory */
        AT_HELD,         /* for the record that it begins */
        AT_QUEUED,       /* behind another client's request */
        AT_LOADING,      /* behind the load of a copy of its key */
        AT_FIRST,        /* its worker died over it */
        AT_PAUSED,       /* another host claims its nickname */
        AT_OUT,          /* with the worker of its token */
        AT_ACCEL_QUEUED, /* behind another client's, for the accelerator */
        AT_ACCEL_OUT,
        AT_UNSETTLED, /* its worker died over it, and it changes the token */
        AT_SETTLING,
        AT_RECORD, /* done; its reply waits for its record */
        AT_TURN,   /* done; its reply waits for the reply before it */
        AT_UNREAD, /* done; its client does not read */
        N_WHERE,
};

enum bench_event {
        EV_NOTHING,
        EV_CLOSES,   /* the client */
        EV_ONEWAY,   /* as EV_NOTHING, of a oneway request */
        EV_CANCEL,   /* the client closes, of a oneway request */
        EV_DEADLINE, /* it passes; in the end the worker is killed */
        EV_LATE,     /* it passes; then the worker answers */
        EV_KEEPS,    /* a reload that changes nothing */
        EV_RENAMES,  /* a reload that renames the client's instance */
        EV_RENAMES_TWICE,
        EV_NO_INSTANCE, /* a reload that takes it away */
        EV_NO_TOKEN,
        EV_NO_ACCELERATOR,
        EV_UNAUDITED, /* a reload to Audit=none */
        EV_SECTION,   /* a reload of a token without room for two: the worker is replaced when it is done */
        EV_NEWCOMER, /* a reload that changes its token: another worker takes the place of the one that is there */
        EV_NEWCOMER_DIES,
        EV_OLD_DIES, /* as EV_NEWCOMER; then the one that was there dies */
        EV_DIES,     /* the worker that has the request, or will have it */
        EV_DEVICE_LOST,
        EV_NONSENSE, /* the worker sends what it must not */
        EV_FAILS,    /* the token, with its worker */
        EV_DRAIN,
        EV_WITHHELD,   /* no record is answered for a while */
        EV_HEAD,       /* tokend-audit has its head signed */
        EV_AUDIT_DIES, /* and there is another at once */
        EV_AUDIT_GONE, /* and there is none */
        N_EVENT,
};

enum bench_records {
        REC_OFF,
        REC_FILE,
        REC_REQUIRED, /* a file */
        REC_UNSAFE,   /* likewise; from the event on nothing is kept */
        REC_JOURNAL,
        REC_JOURNAL_REQUIRED,
        N_RECORDS,
};

enum bench_accel {
        ACCEL_NONE,
        ACCEL_THERE, /* what has to be on its own token was refused there before */
        ACCEL_DIES,  /* over what has to be on its own token; else right behind the event */
        N_ACCEL,
};

struct bench_cell {
        enum bench_what what;
        enum bench_where where;
        enum bench_event event, then; /* then: what happens next; EV_NOTHING */
        enum bench_records records;
        enum bench_accel accel;
        bool done; /* the worker that dies over it has done it */
};

static inline bool what_changes(enum bench_what what)
{
        return what == DO_GENERATE || what == DO_DELETE || what == DO_IMPORT || what == DO_REPLACE ||
               what == DO_RENAME || what == DO_STORE || what == DO_DISCARD;
}

/* What may go to an accelerator. */
static inline bool what_is_accelerated(enum bench_what what)
{
        return what == DO_SIGN || what == DO_VERIFY || what == DO_RANDOM;
}

/* What gives something away: it is recorded once, at its end, and withheld where it could not be. */
static inline bool what_is_withheld(enum bench_what what)
{
        return what == DO_SIGN || what == DO_DECRYPT || what == DO_DERIVE ||
               (what >= DO_SEAL && !what_changes(what));
}

/* What is given a sealed key, of the instance that the caller is at first. */
static inline bool what_takes_sealed(enum bench_what what)
{
        return what == DO_WRAP || what == DO_ENCRYPT || what == DO_SIGN_SEALED;
}

/* What names its token in the name of a key alone. */
static inline bool what_names_token(enum bench_what what)
{
        return what == DO_DELETE || what == DO_RENAME || what == DO_DISCARD || what == DO_UNWRAP ||
               what == DO_AGREE || what == DO_DECIPHER;
}

/* What a claim of another host may be in the way of: it gives a nickname, or may have to make the keys that seal. */
static inline bool what_is_claimed(enum bench_what what)
{
        return what == DO_GENERATE || what == DO_IMPORT || what == DO_REPLACE || what == DO_RENAME ||
               what == DO_SEAL || what == DO_STORE || what == DO_UNWRAP || what == DO_AGREE;
}

/* What is sent once more where its worker dies. */
static inline bool what_is_repeated(enum bench_what what)
{
        return what_is_accelerated(what) || what_is_withheld(what);
}

static inline bool what_is_audited(enum bench_what what)
{
        return what_is_withheld(what) || what_changes(what);
}

/* Whether it runs beside others of its connection. */
static inline bool what_is_parallel(enum bench_what what)
{
        return what < DO_SEAL && !what_changes(what);
}

static inline bool records_are_required(enum bench_records records)
{
        return records == REC_REQUIRED || records == REC_UNSAFE || records == REC_JOURNAL_REQUIRED;
}

/* ---- workers ---- */

/* A sealed key that a request asks for. */
struct fake_sealed {
        char instance[8];
        uint8_t type;
        uint32_t size, usage;
};

struct fake_request {
        uint64_t number, key;
        enum message_type type;
        uint32_t length; /* of a random */
        struct fake_sealed sealed;
        bool ours; /* the request that the cell is about */
};

struct fake_worker {
        const char *token;
        bool accelerator;
        int fd; /* -1: it is not there */
        uint64_t life;
        unsigned threads;
        bool loads;  /* answers a REFRESH by itself */
        bool copies; /* answers a LOAD by itself */
        size_t n_out;
        struct fake_request out[8];
};

/* What is really so. */
struct fake_token {
        bool has_key, has_new, has_certificate, has_renewed, renamed, has_secret, has_new_secret;
        uint8_t new_id[16];
        unsigned n_sent, n_claimed,
                n_done; /* of the cell's request: reached a worker, met a claim, was done */
};

enum fake_answer {
        ANSWER_OK, /* and it is done */
        ANSWER_REFUSED,
        ANSWER_CLAIMED,
        ANSWER_DEVICE_LOST,
};

/* ---- records ---- */

enum fake_keeping {
        KEEPS,
        WITHHOLDS, /* answers nothing; a journal is not read */
        REFUSES,   /* UNSAFE */
};

struct fake_record {
        uint64_t number, request;
        char kind[16], result[32];
};

struct fake_audit {
        int fd, journal; /* -1: not there */
        enum fake_keeping keeping;
        bool absent; /* there is to be none */
        uint64_t unanswered;
        unsigned n_asked, n_signed; /* heads: asked for, and answered, be it with no */
        size_t n;
        struct fake_record list[64];
};

/* ---- clients ---- */

struct fake_client {
        int fd; /* -1: it has closed */
        struct connection *connection;
        bool deaf;   /* does not read */
        bool closed; /* the broker has closed the connection */
        size_t n;
        struct {
                enum proto_error error;
                bool executed; /* what DeadlineExceeded says */
        } replies[32];
        size_t length;
        char text[16 * 1024]; /* what is not a whole reply yet */
};

/* ---- the stage ---- */

struct stage {
        struct broker broker;
        struct bench_cell cell;
        int control;
        uint64_t life;
        bool drained, ended; /* ended: the broker's loop is over */
        bool failed;         /* the token is not to have another worker */
        struct fake_worker home, fast;
        struct fake_worker next; /* beside home: a newcomer, or the one that was home before */
        struct fake_token token;
        struct fake_audit audit;
        struct op *op;         /* the cell's request, with a reference; NULL: not sent yet */
        unsigned long n_short; /* this allocation fails; 0: none does */
        bool all_short;        /* and all behind it */
        bool was_short;        /* one did */
        bool watching;         /* what comes to workers from now on may be it */
        unsigned n_faults;
        struct fake_client a, b, c; /* the cell's; those whose requests are in its way */
};

/* What a cell should have done, and has not. Prints the first few. */
void bench_fault(struct stage *stage, const char *format, ...) _printf_(2, 3);
#define BENCH_CHECK(stage, condition) ((condition) ? (void)0 : bench_fault(stage, "not so: %s", #condition))
/* Without it there is no bench. Not CUnit's: tests/fuzz uses the stage too. */
#define BENCH_NEED(condition) ((condition) ? (void)0 : abort())
/* The cell that runs from now on; NULL: none. */
void bench_begin(const struct bench_cell *cell);
/* Of all cells so far. */
unsigned bench_n_faults(void);
const char *bench_name(const struct bench_cell *cell, char ret[static 192]);

/* No log on the terminal while the bench runs, but what a sanitizer reports. */
void bench_quiet(bool quiet);

/* The broker with its configuration, records, workers that serve. The first REFRESH of the token's worker is not answered for
 * AT_WAITING. -errno: the broker did not come to be; stage_close() all the same. */
int stage_open(struct stage *stage, const struct bench_cell *cell);
/* Everything is checked to be let go of. */
void stage_close(struct stage *stage);

/* Until nobody has anything to do, and no time passes. */
void stage_run(struct stage *stage);
/* Time passes, and the broker is called when it wants to be. */
void stage_advance(struct stage *stage, uint64_t until_usec);
/* To the next time that the broker wants to be called at. */
void stage_next(struct stage *stage);

enum bench_change {
        CHANGE_NONE,
        CHANGE_RENAMED,
        CHANGE_RENAMED_AGAIN,
        CHANGE_NO_INSTANCE,
        CHANGE_NO_TOKEN,
        CHANGE_NO_ACCELERATOR,
        CHANGE_UNAUDITED,
        N_CHANGES,
};
/* A reload to another configuration. */
void stage_configure(struct stage *stage, enum bench_change change);
void stage_drain(struct stage *stage);
/* The supervisor says that the token has failed. */
void stage_token_failed(struct stage *stage);

void worker_start(struct stage *stage, struct fake_worker *worker);
void worker_kill(struct stage *stage, struct fake_worker *worker);
/* It is gone; the broker is not run. */
void worker_end(struct stage *stage, struct fake_worker *worker);
/* Receives what the broker sends. Whether there was anything. */
bool worker_receive(struct stage *stage, struct fake_worker *worker);
/* Answers the i-th of out, which is taken off. */
void worker_answer(struct stage *stage, struct fake_worker *worker, size_t i, enum fake_answer answer);
/* Answers everything with ANSWER_OK, of home what is beside it too. Whether there was anything. */
bool worker_answer_all(struct stage *stage, struct fake_worker *worker);
/* Sends what it must not. */
void worker_rave(struct fake_worker *worker);
/* Where the cell's request is in out; else 0. */
size_t worker_ours(const struct fake_worker *worker);
/* The worker does what the cell's request asks, and says nothing. */
void worker_do(struct stage *stage, struct fake_worker *worker);

/* Where records of the cell go to a journal, or (journal false) to tokend-audit. */
void fake_audit_start(struct stage *stage, bool journal);
void fake_audit_stop(struct stage *stage);
/* Has a head signed. */
void fake_audit_ask(struct stage *stage);
/* Receives and answers. Whether there was anything. */
bool fake_audit_serve(struct stage *stage);

void client_open(struct stage *stage, struct fake_client *client);
void client_close(struct fake_client *client);
void client_call(struct stage *stage, struct fake_client *client, const char *text);
/* Its connection; NULL: the broker has closed it. */
struct connection *client_connection(const struct stage *stage, const struct fake_client *client);
/* Whether anything came. */
bool client_read(struct stage *stage, struct fake_client *client);
/* The call of the cell's request; of a Sign and a Random that others make. */
const char *call_of(enum bench_what what, bool oneway);
const char *call_sign(void);
const char *call_random(unsigned length);

/* Bytes of a sealed key, in a static buffer. */
struct wire_bytes bench_sealed(const struct fake_sealed *key);
/* What a message asks for, if it asks for a sealed key. */
struct fake_sealed bench_asked(enum message_type type, const union operation_message *message);
/* `sealed:` and base64 of an EC key that the first instance of the stage has, in a static buffer. */
const char *bench_sealed_text(void);

/* ---- cells ---- */

/* Under ThreadSanitizer one in so many is run: it is slow, and the broker has one thread. */
#ifdef __SANITIZE_THREAD__
#define BENCH_SHARE 16U
#else
#define BENCH_SHARE 1U
#endif

#define BENCH_CELLS (2U * N_ACCEL * N_RECORDS * N_EVENT * N_WHERE * N_WHAT)
/* One of all combinations, i below BENCH_CELLS. */
struct bench_cell bench_cell_of(unsigned i);
/* Why there is no such cell, or why its event cannot happen in its state; NULL: there is, it can. */
const char *bench_absent(const struct bench_cell *cell);
const char *bench_event_absent(const struct bench_cell *cell);
/* The names that the reply may bear, as cell_run() takes them. */
uint32_t bench_right_names(const struct bench_cell *cell);

/* Into its state, if nothing is in the way. */
void cell_reach(struct stage *stage);
bool cell_is_reached(const struct stage *stage);
void cell_strike(struct stage *stage, enum bench_event event);
/* All goes well from now on, until it is over. */
void cell_wind_down(struct stage *stage);
bool cell_is_over(const struct stage *stage);
/* Replies that the cell's client gets before that of its request. */
size_t cell_n_before(const struct bench_cell *cell);

/* Runs it. right: the names that the reply may bear, a mask of BENCH_NAME(); 0: there must be no reply. */
#define BENCH_NAME(error) (UINT32_C(1) << (error))
#define BENCH_ANY         UINT32_MAX
void cell_run(const struct bench_cell *cell, uint32_t right);
/* Likewise, and count allocations fail from the n-th on (1: the first), which the broker makes when it has begun. Whether one
 * failed. */
bool cell_run_short(const struct bench_cell *cell, uint32_t right, unsigned long n, unsigned long count);
