/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: which cells there are, and which names their replies may bear. */
#include "tests/unit/bench.h"

struct bench_cell bench_cell_of(unsigned i)
{
        struct bench_cell cell;

        cell.then = EV_NOTHING;
        cell.done = i % 2;
        i /= 2;
        cell.accel = i % N_ACCEL;
        i /= N_ACCEL;
        cell.records = i % N_RECORDS;
        i /= N_RECORDS;
        cell.event = i % N_EVENT;
        i /= N_EVENT;
        cell.where = i % N_WHERE;
        cell.what = i / N_WHERE;
        return cell;
}

/* ---- cells that there are not ---- */

static bool is_at_accelerator(const struct bench_cell *cell)
{
        return cell->where == AT_ACCEL_QUEUED || cell->where == AT_ACCEL_OUT;
}

static const char *where_absent(const struct bench_cell *cell)
{
        enum bench_what what = cell->what;

        switch (cell->where) {
        case AT_NEW:
                return what_is_parallel(what) ? "what runs beside others begins at once" : NULL;
        case AT_WAITING:
                return what == DO_RANDOM || what_takes_sealed(what) ? "it needs no directory" : NULL;
        case AT_HELD:
                return !what_changes(what) || !records_are_required(cell->records)
                               ? "its beginning is not waited for"
                               : NULL;
        case AT_LOADING:
                return what != DO_SIGN || cell->accel == ACCEL_NONE ? "no copy is loaded for it" : NULL;
        case AT_QUEUED:
        case AT_OUT:
                return what == DO_LIST ? "it goes to no worker" : NULL;
        case AT_FIRST:
                return !what_is_repeated(what) ? "it is not repeated" : NULL;
        case AT_PAUSED:
                return !what_is_claimed(what) ? "it gives no nickname" : NULL;
        case AT_ACCEL_QUEUED:
        case AT_ACCEL_OUT:
                return !what_is_accelerated(what) || cell->accel == ACCEL_NONE ? "no accelerator does it"
                                                                               : NULL;
        case AT_UNSETTLED:
                return !what_changes(what) ? "it changes nothing" : NULL;
        case AT_SETTLING:
                return what != DO_GENERATE && what != DO_DELETE ? "SETTLE does not ask for it" : NULL;
        case AT_RECORD:
                return !what_is_audited(what) || cell->records == REC_OFF || cell->records == REC_JOURNAL
                               ? "no record is waited for"
                               : NULL;
        case AT_TURN:
                return !what_is_parallel(what) ? "nothing is before it" : NULL;
        default:
                return NULL;
        }
}

/* Whether a worker has a request, this one or another. */
static bool is_something_out(enum bench_where where)
{
        return where != AT_HELD && where != AT_PAUSED && where != AT_RECORD && where != AT_UNREAD;
}

const char *bench_event_absent(const struct bench_cell *cell)
{
        bool file = cell->records == REC_FILE || cell->records == REC_REQUIRED;

        switch (cell->event) {
        case EV_LATE:
                return !is_something_out(cell->where) || cell->where == AT_FIRST ||
                                       cell->where == AT_UNSETTLED || cell->where == AT_WAITING
                               ? "no worker has anything to answer"
                               : NULL;
        case EV_NO_ACCELERATOR:
                return cell->accel == ACCEL_NONE ? "there is none" : NULL;
        case EV_UNAUDITED:
                return cell->records == REC_OFF ? "nothing is recorded" : NULL;
        case EV_DEVICE_LOST:
                return !is_something_out(cell->where) ? "no worker asks the device" : NULL;
        case EV_WITHHELD:
                return cell->records == REC_OFF || cell->records == REC_JOURNAL ? "nothing is waited for"
                                                                                : NULL;
        case EV_HEAD:
        case EV_AUDIT_DIES:
        case EV_AUDIT_GONE:
                /* That a journal is gone is learnt when it is written to: test_broker_audit.c. */
                return !file ? "nobody keeps a file, or nobody who answers" : NULL;
        default:
                return NULL;
        }
}

static bool is_event_of_worker(enum bench_event event)
{
        return event == EV_DIES || event == EV_OLD_DIES || event == EV_DEVICE_LOST || event == EV_NONSENSE ||
               event == EV_FAILS || event == EV_NO_TOKEN || event == EV_DEADLINE;
}

/* A worker that dies over it may have done it, or not. */
static const char *done_absent(const struct bench_cell *cell)
{
        if (!cell->done || (what_changes(cell->what) &&
                                   (cell->where == AT_UNSETTLED || cell->where == AT_SETTLING ||
                                           (cell->where == AT_OUT && is_event_of_worker(cell->event)))))
                return NULL;
        return "no worker dies over it";
}

/* Not impossible, but the same as another: what is not recorded does not care how others are. */
static const char *is_repetition(const struct bench_cell *cell)
{
        if (!what_is_audited(cell->what) && cell->records != REC_OFF && cell->records != REC_REQUIRED)
                return "it is not recorded";
        return NULL;
}

const char *bench_absent(const struct bench_cell *cell)
{
        const char *why = where_absent(cell);

        if (!why)
                why = bench_event_absent(cell);
        if (!why)
                why = done_absent(cell);
        return why ? why : is_repetition(cell);
}

/* ---- the right names ---- */

#define NAME BENCH_NAME

static uint32_t settled_name(const struct bench_cell *cell, enum proto_error lost)
{
        return cell->done ? NAME(PROTO_OK) : NAME(lost);
}

static uint32_t late_name(const struct bench_cell *cell)
{
        switch (cell->where) {
        case AT_WAITING:
        case AT_FIRST:
                return NAME(PROTO_TOKEN_UNAVAILABLE);
        case AT_HELD:
                return NAME(PROTO_AUDIT_UNAVAILABLE);
        case AT_UNSETTLED:
        case AT_SETTLING:
                return NAME(PROTO_OUTCOME_UNKNOWN);
        default:
                return NAME(PROTO_DEADLINE_EXCEEDED);
        }
}

static uint32_t lost_name(const struct bench_cell *cell)
{
        bool device = cell->event == EV_DEVICE_LOST;
        enum proto_error lost = device ? PROTO_TOKEN_ERROR : PROTO_WORKER_LOST;

        if (cell->where == AT_FIRST)
                return NAME(lost);
        /* Where nothing was made, and the device was lost, it is made by the next worker. */
        if (cell->where == AT_OUT && what_changes(cell->what) && !(device && cell->what == DO_GENERATE))
                return settled_name(cell, lost);
        return NAME(PROTO_OK);
}

static uint32_t removed_name(const struct bench_cell *cell)
{
        /* Its name means another token by now, which never becomes ready. */
        if (cell->where == AT_NEW && what_names_token(cell->what))
                return NAME(PROTO_TOKEN_UNAVAILABLE);
        if (cell->where == AT_NEW && what_takes_sealed(cell->what))
                return NAME(PROTO_NOT_OUR_SEAL);
        if (cell->where == AT_OUT && what_changes(cell->what))
                return NAME(PROTO_OUTCOME_UNKNOWN);
        return NAME(PROTO_TOKEN_NOT_FOUND);
}

static uint32_t failed_name(const struct bench_cell *cell)
{
        /* The accelerator finishes what it has. */
        if (is_at_accelerator(cell) && cell->accel == ACCEL_THERE)
                return NAME(PROTO_OK);
        if (cell->where == AT_OUT && what_changes(cell->what))
                return NAME(PROTO_OUTCOME_UNKNOWN);
        return NAME(PROTO_TOKEN_UNAVAILABLE);
}

/* As if every record were kept. */
static uint32_t name_of_event(const struct bench_cell *cell)
{
        bool asked = cell->where == AT_UNSETTLED || cell->where == AT_SETTLING;

        if (cell->where >= AT_RECORD)
                return NAME(PROTO_OK);
        switch (cell->event) {
        case EV_DEADLINE:
        case EV_LATE:
                return late_name(cell);
        case EV_NO_INSTANCE:
                if (cell->where <= AT_HELD)
                        return NAME(PROTO_PERMISSION_DENIED);
                break;
        case EV_RENAMES:
        case EV_RENAMES_TWICE:
                /* It was sealed for an instance that is no more. */
                if (cell->where == AT_NEW && what_takes_sealed(cell->what))
                        return NAME(PROTO_NOT_OUR_SEAL);
                break;
        case EV_NO_TOKEN:
                return asked ? NAME(PROTO_OUTCOME_UNKNOWN) : removed_name(cell);
        case EV_FAILS:
                return asked ? NAME(PROTO_OUTCOME_UNKNOWN) : failed_name(cell);
        case EV_DIES:
        case EV_DEVICE_LOST:
        case EV_NONSENSE:
                if (!asked)
                        return lost_name(cell);
                break;
        case EV_OLD_DIES:
                if (cell->where == AT_OUT && what_changes(cell->what))
                        return settled_name(cell, PROTO_WORKER_LOST);
                break;
        default:
                break;
        }
        return asked ? settled_name(cell, PROTO_WORKER_LOST) : NAME(PROTO_OK);
}

/* What the records make of it: they are refused from the event on, or there is nobody to keep them. */
static uint32_t unkept_name(const struct bench_cell *cell, uint32_t name)
{
        enum bench_where where = cell->where;
        bool gone = cell->event == EV_AUDIT_GONE;

        if (name != NAME(PROTO_OK) || !what_is_audited(cell->what)) {
                /* Before anything else is asked. */
                if (!gone && where == AT_HELD && (cell->event == EV_NO_INSTANCE || cell->event == EV_FAILS))
                        return NAME(PROTO_AUDIT_UNAVAILABLE);
                if (!gone && where == AT_NEW && cell->event == EV_FAILS && what_changes(cell->what))
                        return NAME(PROTO_AUDIT_UNAVAILABLE);
                return name;
        }
        if (where <= AT_HELD)
                return NAME(PROTO_AUDIT_UNAVAILABLE);
        if (what_is_withheld(cell->what))
                return where == AT_UNREAD || where == AT_TURN ? name : NAME(PROTO_AUDIT_UNAVAILABLE);
        /* What was done is said. What was not sent yet is not sent where it is known that nobody records it. */
        return gone && where == AT_QUEUED ? NAME(PROTO_AUDIT_UNAVAILABLE) : name;
}

uint32_t bench_right_names(const struct bench_cell *cell)
{
        uint32_t name = name_of_event(cell);
        bool required = records_are_required(cell->records) && cell->event != EV_UNAUDITED;

        if (cell->event == EV_ONEWAY || cell->event == EV_CANCEL)
                return 0;
        if (!required)
                return name;
        if (cell->records == REC_UNSAFE || cell->event == EV_AUDIT_GONE)
                return unkept_name(cell, name);
        /* Its deadline passes while its record is waited for. */
        if (cell->where == AT_RECORD && what_is_withheld(cell->what) && cell->event == EV_DEADLINE)
                return NAME(PROTO_AUDIT_UNAVAILABLE);
        return name;
}
