/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A token as the supervisor sees it: its worker is started when its life (life.h) says so, watched, ended, started again.
 * The state that the broker shows is decided here and nowhere else.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/supervisor/child.h"
#include "daemon/supervisor/life.h"
#include "daemon/supervisor/module-output.h"
#include "daemon/supervisor/pin-file.h"

struct supervisor;

/* A nickname check that the worker asked for (token-looks.h). */
struct nickname_question {
        uint8_t *message; /* SEEK, as the worker sent it; NULL: no question is open */
        size_t length;
        uint64_t number;
        bool asked; /* the process has it */
};

enum succession_phase {
        SUCCESSION_NONE = 0, /* what the files say is in force */
        SUCCESSION_DUE, /* a newcomer starts at life.wake_usec, when there is no other process any more */
        SUCCESSION_STARTING, /* there is one */
        SUCCESSION_FAILED,   /* it did not come up: only a reload leads on, or an operator */
        SUCCESSION_ALONE,    /* the section of the files is in force on trial, and the one before is kept */
};

/* What an operator wants, and has not been answered (maintain.h). */
struct maintenance_wish {
        uint64_t number; /* 0: there is none */
        uint8_t what;
};

/* What is to be in force instead of `config` (succession.h). */
struct succession {
        enum succession_phase phase;
        struct config_token *section;       /* of the files; ALONE: the one before them */
        int config_fd;                      /* the snapshot that has it; -1: none is needed */
        struct life life;                   /* of the newcomer */
        uint64_t life_number, other_number; /* of the newcomer; of one that leaves */
        unsigned n_tries;
        bool only;                /* the newcomer is not to be followed by others */
        uint64_t ckr;             /* that it ended with */
        char reason[REASON_SIZE]; /* why it did not come up */
        struct refused_pin refused_pin;
        struct pin_identity pin;
        uint64_t pending_usec; /* a reload is not over before this, or before it is decided */
        uint64_t leave_usec;   /* when one that leaves is ended; USEC_NEVER */
        sd_event_source *timer;
};

struct supervised_token {
        struct supervisor *supervisor;
        const struct config_token
                *config; /* of the snapshot in force; NULL: removed, to go with its last process */
        char *name;
        struct life life;
        uint64_t life_number;                     /* of the worker that is there, or was last */
        uint64_t ready_usec;                      /* READY waits for this token until then */
        struct child workers[2], *worker, *other; /* of the section in force; beside it */
        struct succession next;
        struct maintenance_wish wish;
        bool proven;                 /* a worker of the section in force has served */
        struct module_output output; /* of all its processes */
        int worker_config_fd;        /* the snapshot that it was started with; -1: there was none yet */
        sd_event_source *timer;
        enum token_state told_state; /* to the log */
        char told_reason[REASON_SIZE];
        struct refused_pin refused_pin; /* to the worker or to a look */
        bool anew; /* an operator says so: the next worker may make databases anew that are gone */
        struct pin_identity worker_pin; /* the file when the worker was started */
        /* token-looks.c */
        struct child look, nickname_check;
        sd_event_source *look_timer, *look_due_timer, *check_timer;
        struct nickname_question question;
        bool look_waits; /* for the nickname check that runs: one session is kept free for looks */
        struct pin_identity look_pin; /* the file when the last look of either kind was started */
        uint64_t look_usec;           /* when the last look was started */
        unsigned n_looks;             /* in a row, each soon after the one before */
        /* Something beside its worker changed its life, or which worker it is. */
        void (*on_changed)(struct supervised_token *token);
};

/* -ENOMEM. Its first worker is due at once: supervised_token_arm(). */
int supervised_token_new(
        struct supervisor *supervisor, const struct config_token *config, struct supervised_token **ret);
void supervised_token_free(struct supervised_token *token);

/* NULL: there is no token of that name. A removed one is found too. */
struct supervised_token *supervised_token_find(const struct supervisor *supervisor, const char *name);

/* Whether it has a worker or a look. */
static inline bool supervised_token_has_process(const struct supervised_token *token)
{
        return token->worker->pid > 0 || token->other->pid > 0 || token->look.pid > 0 ||
               token->nickname_check.pid > 0;
}

/* Sets the timer to what is due next. */
void supervised_token_arm(struct supervised_token *token);

/* Tells the broker the state, and the log if it changed. */
void supervised_token_tell(struct supervised_token *token);

/* Opens a fresh request channel between the worker that is there and a broker that is new. */
void supervised_token_connect(struct supervised_token *token);

/* The broker says that it has the directory of the worker of that life, or that this worker is to be replaced. */
void supervised_token_serving(struct supervised_token *token, uint64_t life);
void supervised_token_replace(struct supervised_token *token, const struct message_replace *message);

/* child_tick() of its worker. */
void supervised_token_tick(struct supervised_token *token, uint64_t now, bool forgive);

/* The section is gone: ends its processes. The token is freed when it has none any more (supervisor.c). */
void supervised_token_remove(struct supervised_token *token);

/* The section is config now. renew: start again, as if new; the worker that serves finishes first what it is at. */
void supervised_token_configure(
        struct supervised_token *token, const struct config_token *config, bool renew);
