/* SPDX-License-Identifier: MPL-2.0 */
/* See config-thread.h. */
#include "daemon/supervisor/config-thread.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/supervisor/life.h"
#include "daemon/util/log.h"
#include "daemon/util/printable.h"

struct config_thread {
        const char *path;
        config_thread_done *done;
        void *userdata;
        sd_event_source *source;
        int event_fd; /* written when the thread has finished */
        pthread_t id;
        /* The thread's own until it is joined. */
        int result, config_fd;
        struct config *config;
        char fault[REASON_SIZE]; /* the first; empty: none */
};

static void log_fault(void *userdata, const char *line)
{
        struct config_thread *thread = userdata;

        log_error("%s", line);
        if (!*thread->fault)
                (void)printable_copy(thread->fault, sizeof(thread->fault), line, strlen(line));
}

static int load(struct config_thread *thread, struct config **ret, int *ret_fd)
{
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        r = config_load(thread->path, log_fault, thread, &config);
        if (r == 0)
                r = config_to_memfd(config, ret_fd);
        if (r == 0)
                *ret = TAKE_PTR(config);
        return r;
}

static void *run(void *userdata)
{
        struct config_thread *thread = userdata;

        thread->result = load(thread, &thread->config, &thread->config_fd);
        (void)eventfd_write(thread->event_fd, 1);
        return NULL;
}

static void thread_free(struct config_thread *thread)
{
        sd_event_source_disable_unref(thread->source);
        closep(&thread->event_fd);
        free(thread);
}
DEFINE_CLEANUP(struct config_thread *, thread_free);

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        _cleanup_(thread_freep) struct config_thread *thread = userdata;

        (void)pthread_join(thread->id, NULL);
        thread->done(thread->userdata, thread->result, thread->config, thread->config_fd, thread->fault);
        return 0;
}

int config_thread_start(sd_event *event, const char *path, config_thread_done *done, void *userdata,
        struct config_thread **ret)
{
        _cleanup_(thread_freep) struct config_thread *thread = calloc(1, sizeof(*thread));
        int r;

        if (!thread)
                return -ENOMEM;
        *thread = (struct config_thread){.path = path, .done = done, .userdata = userdata, .config_fd = -1};
        thread->event_fd = eventfd(0, EFD_CLOEXEC);
        if (thread->event_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &thread->source, thread->event_fd, EPOLLIN, on_finished, thread);
        if (r >= 0)
                r = -pthread_create(&thread->id, NULL, run, thread);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(thread);
        return 0;
}

void config_thread_leave(struct config_thread *thread)
{
        thread->source = sd_event_source_disable_unref(thread->source);
}
