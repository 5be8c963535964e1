/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Calls of libtokend in the event loop of sd-event(3): makes an EC key, and then has a number of messages signed with it, several at
 * a time, while the loop does whatever else it has: event-loop TOKEN NICKNAME N. A daemon that restarts meanwhile is waited for.
 *
 *     cc event-loop.c -o event-loop $(pkg-config --cflags --libs libtokend libsystemd)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <tokend.h>

#define AT_ONCE    16
#define TIMEOUT_MS 60000

struct program {
        sd_event *event;
        struct tokend *tokend;
        const char *key; /* "token:nickname" */
        struct tokend_key *made;
        struct tokend_failure failure; /* of the key */
        int left;                      /* messages that nobody signs yet */
        int n_signed, n_failed, n_in_progress;
};

/* One message: what a call that was started writes to must stay until its callback. */
struct job {
        struct program *program;
        char message[32];
        unsigned char *signature;
        size_t length;
        struct tokend_failure failure;
};

static void start_more(struct program *program);

static void on_signed(enum tokend_error error, void *userdata)
{
        struct job *job = userdata;
        struct program *program = job->program;

        program->n_in_progress--;
        if (error == TOKEND_OK) {
                program->n_signed++;
                tokend_free(job->signature);
        } else {
                program->n_failed++;
                fprintf(stderr, "%s: %s: %s\n", job->message, job->failure.name, job->failure.text);
        }
        free(job);
        start_more(program);
}

static void start_one(struct program *program)
{
        struct job *job = calloc(1, sizeof(*job));
        enum tokend_error error = TOKEND_NO_MEMORY;

        program->left--;
        if (job) {
                job->program = program;
                snprintf(job->message, sizeof(job->message), "message %d", program->left);
                error = tokend_sign(tokend_later(program->tokend, on_signed, job), program->key,
                        "ecdsa_sha256", TOKEND_MESSAGE, job->message, strlen(job->message), TIMEOUT_MS,
                        &job->signature, &job->length, &job->failure);
        }
        if (error == TOKEND_STARTED) {
                program->n_in_progress++;
                return;
        }
        program->n_failed++;
        free(job);
}

static void start_more(struct program *program)
{
        while (program->left > 0 && program->n_in_progress < AT_ONCE)
                start_one(program);
        if (program->n_in_progress == 0)
                sd_event_exit(program->event, program->n_failed > 0);
}

/* A generate is sent once, whatever happens to the daemon: OutcomeUnknown says that the key may be there. */
static void on_made(enum tokend_error error, void *userdata)
{
        struct program *program = userdata;

        if (error != TOKEND_OK && error != TOKEND_NICKNAME_EXISTS) {
                fprintf(stderr, "%s: %s\n", program->failure.name, program->failure.text);
                sd_event_exit(program->event, 3);
                return;
        }
        tokend_key_free(program->made);
        start_more(program);
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        int n = tokend_process(userdata);

        (void)source, (void)fd, (void)revents;
        return n < 0 ? n : 0;
}

int main(int argc, char **argv)
{
        struct program program = {0};
        struct tokend_template wanted = {.struct_size = sizeof(wanted), .type = "ec"};
        char key[256];
        int r;

        program.tokend = tokend_open(NULL, 0);
        if (argc != 4 || !program.tokend || sd_event_default(&program.event) < 0) {
                fprintf(stderr, "usage: %s TOKEN NICKNAME N\n", argv[0]);
                return 2;
        }
        wanted.token = argv[1];
        wanted.nickname = argv[2];
        program.left = atoi(argv[3]);
        snprintf(key, sizeof(key), "%s:%s", argv[1], argv[2]);
        program.key = key;

        /* Once, for all calls. */
        r = sd_event_add_io(program.event, NULL, tokend_get_fd(program.tokend),
                (uint32_t)tokend_get_events(program.tokend), on_ready, program.tokend);
        if (r >= 0 && tokend_generate(tokend_later(program.tokend, on_made, &program), &wanted, TIMEOUT_MS,
                              &program.made, &program.failure) != TOKEND_STARTED)
                r = -1;
        if (r >= 0)
                r = sd_event_loop(program.event);
        printf("%d signed, %d failed\n", program.n_signed, program.n_failed);
        tokend_close(program.tokend);
        sd_event_unref(program.event);
        return r;
}
