/* SPDX-License-Identifier: MPL-2.0 */
/* See module-output.h. The write end does not block: a call into the module must not wait for a reader. */
#include "daemon/supervisor/module-output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/supervisor/timer.h"

/* Lines of one token's modules in 10 s; what a module says when it is loaded, or fails, has less. */
#define LINES_MAX 20U
/* How long one that wrote more is left unread; twice as long each time that it went on meanwhile. */
#define REST_MIN_USEC (10 * USEC_PER_SEC)
#define REST_MAX_USEC (600 * USEC_PER_SEC)
/* Bytes that are read in one turn of the loop. */
#define CHUNK 4096U

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata);

static void rest(struct module_output *output)
{
        log_event(4,
                &(struct event){.kind = EVENT_MODULE_FLOODS,
                        .token = output->token,
                        .remedy = "Its last lines say what it is about; lower its own log level where it has "
                                  "one."},
                "token %s: its module writes more than %u lines in 10 s; for %u s none are kept",
                output->token, LINES_MAX, (unsigned)(output->rest_usec / USEC_PER_SEC));
        (void)sd_event_source_set_enabled(output->source, SD_EVENT_OFF);
        timer_set(sd_event_source_get_event(output->source), &output->timer, now_usec() + output->rest_usec,
                on_rested, output);
}

/* False: it has written too much. */
static bool take_line(struct module_output *output)
{
        unsigned n_dropped;

        if (output->length > 0 && !log_may(&output->rate, now_usec(), LINES_MAX, &n_dropped))
                return false;
        if (output->length > 0)
                log_info("token %s: its module says: %.*s", output->token, (int)output->length, output->line);
        output->length = 0;
        return true;
}

static bool take(struct module_output *output, const char *data, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (data[i] != '\n' && data[i] != '\0')
                        output->line[output->length++] = data[i];
                if ((data[i] == '\n' || output->length == sizeof(output->line)) && !take_line(output))
                        return false;
        }
        return true;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct module_output *output = userdata;
        char data[CHUNK];
        ssize_t n = read(fd, data, sizeof(data));

        if (n > 0 && !take(output, data, (size_t)n))
                rest(output);
        return 0;
}

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct module_output *output = userdata;
        bool went_on = false;
        char data[CHUNK];

        /* No more than the pipe holds. */
        for (int i = 0; i < 32 && read(output->fd, data, sizeof(data)) > 0; i++)
                went_on = true;
        output->rest_usec = went_on ? MIN_OF(2 * output->rest_usec, REST_MAX_USEC) : REST_MIN_USEC;
        output->length = 0;
        output->rate = (struct log_rate){0};
        (void)sd_event_source_set_enabled(output->source, SD_EVENT_ON);
        return 0;
}

void module_output_open(struct module_output *output, sd_event *event, const char *token)
{
        int fds[2], r;

        *output =
                (struct module_output){.token = token, .fd = -1, .module_fd = -1, .rest_usec = REST_MIN_USEC};
        r = pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
        if (r == 0) {
                output->fd = fds[0];
                output->module_fd = fds[1];
                r = sd_event_add_io(event, &output->source, output->fd, EPOLLIN, on_readable, output);
        }
        /* After what keeps the service up. */
        if (r >= 0)
                r = sd_event_source_set_priority(output->source, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                return;
        log_warning("token %s: what its module writes cannot be bounded: %s", token, strerror(-r));
        module_output_close(output);
}

void module_output_close(struct module_output *output)
{
        char data[CHUNK];
        ssize_t n;

        while (output->fd >= 0 && (n = read(output->fd, data, sizeof(data))) > 0 &&
                take(output, data, (size_t)n))
                ;
        output->source = sd_event_source_disable_unref(output->source);
        output->timer = sd_event_source_disable_unref(output->timer);
        closep(&output->fd);
        closep(&output->module_fd);
        output->fd = output->module_fd = -1;
}
