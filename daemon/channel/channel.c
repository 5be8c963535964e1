/* SPDX-License-Identifier: MPL-2.0 */
/* See channel.h. */
#include "daemon/channel/channel.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

union control {
        struct cmsghdr align;
        char space[CMSG_SPACE(LIMIT_CHANNEL_FDS * sizeof(int))];
};

int channel_pair(int ret_fds[static 2])
{
        int size = 2 * (int)LIMIT_CHANNEL_MESSAGE, fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        /* The kernel doubles the size, and limits it to net.core.wmem_max. The default buffer holds one message, so without this
         * fewer messages fit, but each one does. */
        for (int i = 0; i < 2; i++)
                (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        ret_fds[0] = fds[0];
        ret_fds[1] = fds[1];
        return 0;
}

/* The broker's seccomp filter allows sendmsg(2) on its control alone: what has no descriptors with it goes by send(2). */
static ssize_t send_with_fds(int fd, const void *data, size_t length, const int *fds, size_t n_fds)
{
        union control control = {0};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
        struct msghdr msg = {.msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.space,
                .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
        struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
        return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int channel_send(int fd, const void *data, size_t length, const int *fds, size_t n_fds)
{
        ssize_t n;

        if (n_fds > LIMIT_CHANNEL_FDS || length == 0 || length > LIMIT_CHANNEL_MESSAGE)
                return -EINVAL;
        do
                n = n_fds > 0 ? send_with_fds(fd, data, length, fds, n_fds)
                              : send(fd, data, length, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static void fds_of_message(struct msghdr *msg, int ret_fds[static LIMIT_CHANNEL_FDS])
{
        for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
                size_t n;

                if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
                        continue;
                /* The room bounds their number. The kernel has closed those that did not fit. */
                n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(ret_fds, CMSG_DATA(head), MIN_OF(n, (size_t)LIMIT_CHANNEL_FDS) * sizeof(int));
        }
}

void channel_close_fds(int (*fds)[LIMIT_CHANNEL_FDS])
{
        for (size_t i = 0; i < LIMIT_CHANNEL_FDS; i++) {
                closep(&(*fds)[i]);
                (*fds)[i] = -1;
        }
}

int channel_receive(
        int fd, void *data, size_t size, size_t *ret_length, int ret_fds[static LIMIT_CHANNEL_FDS])
{
        union control control;
        struct iovec iov = {.iov_base = data, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.space,
                .msg_controllen = sizeof(control.space)};
        int fds[LIMIT_CHANNEL_FDS];
        ssize_t n;

        memset(fds, -1, sizeof(fds));
        /* If the peer closed while a message of ours was unread, the first call returns ECONNRESET. The messages that the peer had
         * sent are still there, and the end follows them. */
        do
                n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;
        fds_of_message(&msg, fds);
        if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
                channel_close_fds(&fds);
                return -EMSGSIZE;
        }
        /* We send no empty message, so this is the end. */
        if (n == 0)
                return 1;
        memcpy(ret_fds, fds, sizeof(fds));
        *ret_length = (size_t)n;
        return 0;
}

int channel_receive_plain(int fd, void *data, size_t size, size_t *ret_length)
{
        ssize_t n;

        /* The kernel drops the descriptors that come with it: none of them is here for a moment, not even to be closed. MSG_TRUNC: the
         * length of the whole message. */
        do
                n = recv(fd, data, size, MSG_TRUNC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;
        if (n == 0)
                return 1;
        if ((size_t)n > size)
                return -EMSGSIZE;
        *ret_length = (size_t)n;
        return 0;
}
