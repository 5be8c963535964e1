/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of the supervisor share. Its program's one context; nothing outside this folder includes this.
 *
 *   main.c        options           supervisor.c  start, signals, ticks, stop
 *   sockets.c     listening         broker.c      the broker's life, and what it is told
 *   token.c       a token's worker  look.c, seek.c  a fresh process that looks at a token
 *   life.c        when and why      child.c, spawn.c  one process
 *   reload.c      SIGHUP            notify.c      the service manager
 *   audit.c       tokend-audit      unit.c        in which unit a caller runs
 */
#pragma once

#include <sys/stat.h>

#include "daemon/config/config.h"
#include "daemon/supervisor/child.h"
#include "daemon/supervisor/config-thread.h"
#include "daemon/supervisor/life.h"
#include "daemon/supervisor/sockets.h"

struct supervisor;

/* Who a PIN file is: where any of it changes, a PIN that was refused is worth another try. */
struct pin_identity {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
};

struct supervised_token {
        struct supervisor *supervisor;
        const struct config_token *config; /* of the snapshot in force; NULL: removed, to go when reaped */
        char *name;
        struct life life;
        uint64_t life_number;    /* of the worker that is there, or was last */
        uint64_t ready_usec;     /* READY waits for this token until then */
        bool pin_refused;        /* to a worker or a look: none tries that one again */
        struct pin_identity pin; /* the file that was refused */
        struct pin_identity worker_pin,
                look_pin; /* the file, when the worker, the look or the seek was started */
        struct child worker, look, seek;
        uint8_t *question; /* SEEK, as the worker sent it; NULL: none is open */
        size_t question_length;
        uint64_t question_number;
        bool asked;                  /* the process has it */
        enum token_state told_state; /* to the log */
        char told_reason[REASON_SIZE];
        bool look_waits; /* for the seek that runs: one session is kept free for looks */
        sd_event_source *timer, *look_timer, *seek_timer;
};

struct broker_process {
        struct supervisor *supervisor;
        struct child child;
        uint64_t started_usec;
        unsigned n_short; /* lives in a row that were too short to be of use */
        bool drained;
        sd_event_source *timer;
};

/* tokend-audit, with Audit=file: alone. */
struct audit_process {
        struct supervisor *supervisor;
        struct child child;
        char *path; /* that it writes; NULL: it is not wanted */
        uint64_t started_usec;
        unsigned n_short; /* lives in a row that were too short to be of use */
        bool draining, drained;
        sd_event_source *timer;
};

struct supervisor {
        sd_event *event;
        const char *config_path;
        struct config *config;
        int config_fd;         /* the same, sealed, for the children */
        uint64_t started_usec; /* wall clock */
        struct sockets sockets;
        struct broker_process broker;
        struct audit_process audit;
        struct supervised_token **tokens; /* in the order of the files; the removed ones behind */
        size_t n_tokens;
        uint32_t epoch;       /* of request channels: ever rising */
        uint64_t last_life;   /* of workers: likewise */
        uint64_t tick_usec;   /* between pings */
        uint64_t ticked_usec; /* the last one */
        bool watchdog, stopping, closing;
        bool ready;                      /* READY was told */
        bool reloaded;                   /* and must be told again */
        struct config_thread *reloading; /* NULL: no files are being read */
        bool reload_again;               /* SIGHUP came meanwhile */
        char *status;                    /* last told */
        sd_event_source *tick, *stop_timer;
};

static inline struct moment moment(void)
{
        return (struct moment){.now_usec = now_usec(), .wall_usec = wall_usec()};
}

/* (Re)arms a one-shot timer; USEC_NEVER: disarms. */
void timer_set(struct supervisor *supervisor, sd_event_source **timer, uint64_t usec,
        sd_event_time_handler_t handler, void *userdata);

/* ---- supervisor.c ---- */
/* Blocks the signals that supervisor_run() takes: before anything else is done, so that none is lost. */
void supervisor_block_signals(void);

/* Takes the configuration and its memfd, and runs until it is to end. The exit status of the program. */
int supervisor_run(const char *config_path, struct config *config, int config_fd);
/* Another child has gone: while stopping, the last one ends the program. */
void supervisor_reaped(struct supervisor *supervisor);
/* The broker has answered all that it could, or is gone. */
void supervisor_drained(struct supervisor *supervisor);

/* ---- token.c ---- */
/* -ENOMEM. Its first worker is due at once: supervised_token_arm(). */
int supervised_token_new(
        struct supervisor *supervisor, const struct config_token *config, struct supervised_token **ret);
void supervised_token_free(struct supervised_token *token);
/* Starts a tokend-worker for the section: its worker, or a look (more: a word for its command line, or NULL). -errno. */
int supervised_token_start_process(
        struct supervised_token *token, struct child *child, const char *more, int request_fd);
/* Sets the timer to what is due next. */
void supervised_token_arm(struct supervised_token *token);
/* Ends its worker for good or to start another; the reason for the status. */
void supervised_token_replace_worker(struct supervised_token *token, const char *reason);
/* Tells the broker the state; tells the log and the service manager where it changed. */
void supervised_token_tell(struct supervised_token *token);
/* Opens a fresh request channel between the worker that is there and a broker that is new. */
void supervised_token_connect(struct supervised_token *token);
/* What the broker says of the worker of that life. */
void supervised_token_serving(struct supervised_token *token, uint64_t life);
void supervised_token_replace(struct supervised_token *token, const struct message_replace *message);
/* Of its PIN file as it is now; zeros where there is none. */
struct pin_identity supervised_token_pin_identity(const struct config_token *config);
/* The one rule: a PIN costs one attempt, whoever makes it. read: the file as the process that was refused, or must not try, has
 * most likely read it. One that was put there meanwhile has not been tried. */
void supervised_token_pin_refused(struct supervised_token *token, const struct pin_identity *read);
/* Whether the PIN that was refused is the one that there is. */
bool supervised_token_pin_is_refused(const struct supervised_token *token, const struct config_token *config);
/* Kills a worker that does not answer, pings it where it does. forgive: as child_ping(). */
void supervised_token_tick(struct supervised_token *token, uint64_t now, bool forgive);
/* The section is gone: ends its processes, and the token with the last of them. */
void supervised_token_remove(struct supervised_token *token);
/* The section is config now; renew: start again, as if new. */
void supervised_token_configure(
        struct supervised_token *token, const struct config_token *config, bool renew);
/* Frees a token that was removed, once it has no process. */
void supervised_token_reap(struct supervised_token *token);

struct supervised_token *supervised_token_find(struct supervisor *supervisor, const char *name);

/* ---- peer.c ---- */
/* Its worker was just started: new channels to those it exchanges copies of keys with. */
void supervised_token_connect_peers(struct supervised_token *token);

/* ---- look.c ---- */
void look_start(struct supervised_token *token);
void look_stop(struct supervised_token *token);
extern const struct child_class look_class;
/* A look of either kind had its PIN refused: no other is started until section or PIN file changes. */
void look_refused(struct supervised_token *token, const char *reason);

/* ---- seek.c ---- */
/* A SEEK of the token's worker. -errno: it does not fit. */
int seek_ask(struct supervised_token *token, struct wire *wire);
/* No look runs any more: a question may wait for that. */
void seek_next(struct supervised_token *token);
/* Its worker is gone: the answer is for nobody. */
void seek_stop(struct supervised_token *token);
extern const struct child_class seek_class;

/* ---- broker.c ---- */
int broker_process_start(struct broker_process *broker);
void broker_process_init(struct broker_process *broker, struct supervisor *supervisor);
void broker_process_done(struct broker_process *broker);
/* The snapshot, and again after a reload; then what has changed is told; then broker_tell_go(). */
void broker_tell_config(struct broker_process *broker);
void broker_tell_go(struct broker_process *broker);
void broker_tell_worker(
        struct broker_process *broker, const struct supervised_token *token, uint32_t epoch, int fd);
void broker_tell_look(struct broker_process *broker, const struct supervised_token *token, int fd);
void broker_tell_gone(struct broker_process *broker, const struct supervised_token *token, uint64_t life);
void broker_tell_token(struct broker_process *broker, const struct supervised_token *token);
void broker_process_tick(struct broker_process *broker, uint64_t now, bool forgive);
void broker_tell_drain(struct broker_process *broker, uint64_t deadline_usec);

void broker_tell_audit(struct broker_process *broker, int fd);

/* ---- audit.c ---- */
void audit_process_init(struct audit_process *audit, struct supervisor *supervisor);
void audit_process_done(struct audit_process *audit);
/* What the configuration in force says: starts it, tells it, replaces it or ends it. */
void audit_process_configure(struct audit_process *audit);
/* A fresh channel between it and the broker, where both are there. */
void audit_process_connect(struct audit_process *audit);
void audit_process_tick(struct audit_process *audit, uint64_t now, bool forgive);
void audit_process_rotate(struct audit_process *audit);
/* The broker has answered everything. 1: wait; supervisor_drained() is called again. */
int audit_process_drain(struct audit_process *audit);

/* ---- reload.c ---- */
/* Begins to read the files; the rest follows when they have been read. */
void supervisor_reload(struct supervisor *supervisor);

/* ---- notify.c ---- */
/* READY=1 when it is time, STATUS= when it changed. */
void notify_state(struct supervisor *supervisor);
void notify_reloading(struct supervisor *supervisor);
void notify_reloaded(struct supervisor *supervisor);
void notify_stopping(struct supervisor *supervisor);
void notify_watchdog(struct supervisor *supervisor);
/* `2 tokens ready, hsm-b recovering: device removed`. NULL when memory is short. The caller frees. */
char *notify_status(const struct supervisor *supervisor);
