/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor: the one context of its program. The files, from the ground up; each calls only what stands above it here:
 *
 *   timer, life, spawn, child          one process, and when the next one starts
 *   sockets, process-unit, pin-file    what the others need of the system
 *   config-thread                      reads the files at a reload
 *   module-output                      what a module writes
 *   worker-process, peer-channels      starts a worker, connects two
 *   audit-process, broker-process      the other two children
 *   state-log, section                 what is said of changes of state, and of which sections are in force
 *   wish, retire                       what an operator is told; a worker that is to have no more
 *   token-looks, succession, trial     the processes of one token beside its worker
 *   supervised-token                   its worker, and its state
 *   maintain                           what an operator has done with it
 *   notify, reload                     the service manager, SIGHUP
 *   supervisor                         start, signals, ticks, stop
 *   main                               options
 *
 * A file that changes something others have to act on says so in this struct, and supervisor.c acts when the event has been
 * handled (after_event()).
 */
#pragma once

#include "daemon/supervisor/audit-process.h"
#include "daemon/supervisor/broker-process.h"
#include "daemon/supervisor/config-thread.h"
#include "daemon/supervisor/sockets.h"
#include "daemon/supervisor/supervised-token.h"

/* The way out, one step after the other. */
enum supervisor_phase {
        PHASE_RUNNING = 0,
        PHASE_DRAINING, /* the broker answers what is in flight */
        PHASE_SIGNING,  /* tokend-audit signs the head of its file */
        PHASE_CLOSING,  /* the children end */
};

/* Whether the files, as they were read last, are in force. */
struct config_state {
        bool ok;
        char fault
                [REASON_SIZE]; /* why they were not taken as a whole; where a file has a fault, FILE:LINE of the first */
        char reason[REASON_SIZE]; /* that, or which section is not in force, and why */
        uint64_t since_usec;      /* wall clock: since when ok has its value */
};

struct supervisor {
        sd_event *event;
        const char *config_path;
        struct config *config;
        int config_fd;         /* the same, sealed, for the children */
        uint64_t started_usec; /* wall clock */
        struct config_state config_state;
        struct sockets sockets;
        struct broker_process broker;
        struct audit_process audit;
        struct supervised_token **tokens; /* in the order of the files; the removed ones behind */
        size_t n_tokens;
        uint32_t epoch;       /* of request channels: ever rising */
        uint64_t last_life;   /* of workers: likewise */
        uint64_t tick_usec;   /* between pings */
        uint64_t ticked_usec; /* the last tick */
        bool watchdog;
        enum supervisor_phase phase;
        bool changed;                    /* a token's state: the service manager is to be told */
        bool ready;                      /* READY was told */
        bool reloaded;                   /* READY must be told again */
        struct config_thread *reloading; /* NULL: no files are being read */
        bool reload_again;               /* SIGHUP came meanwhile */
        char *status;                    /* last told */
        sd_event_source *tick, *stop_timer;
};

static inline bool supervisor_is_stopping(const struct supervisor *supervisor)
{
        return supervisor->phase != PHASE_RUNNING;
}

/* Blocks the signals that supervisor_run() takes: before anything else is done, so that none is lost. */
void supervisor_block_signals(void);

/* Takes the configuration and its memfd over, and runs until it is to end. The exit status of the program. */
int supervisor_run(const char *config_path, struct config *config, int config_fd);
