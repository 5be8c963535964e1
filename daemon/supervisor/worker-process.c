/* SPDX-License-Identifier: MPL-2.0 */
/* See worker-process.h. */
#include "daemon/supervisor/worker-process.h"

#include "daemon/supervisor/spawn.h"

int worker_process_start(struct child *child, const struct config_token *config, int config_fd,
        struct worker_task task, int *ret_fd)
{
        char *argv[] = {(char[]){"tokend-worker"}, config->name,
                task.look == LOOK_NONE ? NULL : (char[]){"look"}, NULL};
        _cleanup_(freep) char **environment = NULL;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        r = environment_of_worker(config->environment, &environment);
        if (r == 0)
                r = channel_pair(fds);
        if (r < 0)
                return r;
        ours = fds[0];
        theirs = fds[1];
        child->leave_usec = MAX_OF(config->timeout_usec, config->generate_timeout_usec);
        r = child_start(child, "tokend-worker", argv, environment, theirs);
        if (r < 0)
                return r;
        (void)child_tell(child, start, config_fd, .version = MESSAGE_VERSION, .token = config->name,
                .epoch = task.epoch, .look = (uint8_t)task.look, .patience = (uint8_t)task.patience,
                .anew = task.anew, .beside = task.beside);
        *ret_fd = take_fd(&ours);
        return 0;
}

int worker_process_ending(struct wire *wire, struct message_ending *ret)
{
        int r = message_get_ending(wire, ret);

        return r == 0 && (ret->end < WORKER_END_ABSENT || ret->end > WORKER_END_STORE) ? -EBADMSG : r;
}
