/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a daemon sends on a connection of libtokend, from the socket to what the program gets: messages, cut and joined as they
 * come, in several replies, of every call. The first byte says which call, and in what pieces the rest comes, which is what the daemon
 * sends before it closes.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/internal.h"
#include "tests/fuzz/fuzz.h"

static size_t piece;

/* recv() of the library is called by this name (-Wl,--wrap). Nothing has come before the library asked (MSG_PEEK). */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
extern ssize_t __real_recv(int fd, void *room, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *room, size_t size, int flags)
{
        if (flags & MSG_PEEK) {
                errno = EAGAIN;
                return -1;
        }
        return __real_recv(fd, room, size < piece ? size : piece, flags);
}

/* It waits before it tries again. */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
        return 0;
}

/* Every text of a failure is for people: whole, and without a control character. */
static void check_failure(enum tokend_error error, const struct tokend_failure *failure)
{
        const char *const texts[] = {failure->name, failure->text};

        CHECK(failure->error == error);
        for (size_t i = 0; i < 2; i++)
                for (const char *at = texts[i]; *at; at++)
                        CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static enum tokend_error sign(struct tokend *handle, struct tokend_failure *failure)
{
        unsigned char *signature = NULL;
        size_t length = 0;
        enum tokend_error error = tokend_sign(
                handle, "k", "ecdsa_sha256", TOKEND_MESSAGE, "m", 1, 0, &signature, &length, failure);

        CHECK((error == TOKEND_OK) == (signature != NULL));
        tokend_free(signature);
        return error;
}

static enum tokend_error list(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_keys *keys = NULL;
        enum tokend_error error = tokend_list(handle, NULL, NULL, 0, &keys, failure);

        CHECK((error == TOKEND_OK) == (keys != NULL));
        for (size_t i = 0; keys && i < keys->n_keys; i++)
                CHECK(keys->keys[i]->token && keys->keys[i]->nickname && keys->keys[i]->id);
        tokend_keys_free(keys);
        return error;
}

static enum tokend_error certificates(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_certificates *all = NULL;
        enum tokend_error error = tokend_list_certificates(handle, NULL, NULL, 0, &all, failure);

        CHECK((error == TOKEND_OK) == (all != NULL));
        tokend_certificates_free(all);
        return error;
}

static enum tokend_error status(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_status *now = NULL;
        enum tokend_error error = tokend_status(handle, 0, &now, failure);

        CHECK((error == TOKEND_OK) == (now != NULL));
        for (size_t i = 0; now && i < now->n_tokens; i++)
                CHECK(now->tokens[i]->name && now->tokens[i]->state);
        tokend_status_free(now);
        return error;
}

static bool seen(const struct tokend_status *now, void *userdata)
{
        CHECK(now);
        return ++*(unsigned *)userdata < 3;
}

static enum tokend_error watch(struct tokend *handle, struct tokend_failure *failure)
{
        unsigned n = 0;

        return tokend_watch(handle, 1000, 0, seen, &n, failure);
}

static enum tokend_error delete (struct tokend *handle, struct tokend_failure *failure) {
        return tokend_delete(handle, "k", 0, failure);
}

/* The daemon's end, with all that it will ever send. false: the test's own sockets had no room. */
static bool answered(struct tokend *handle, const uint8_t *data, size_t size, int *ret)
{
        struct pool_connection *connection;
        struct stat status;
        int fds[2];
        bool sent;

        CHECK(pool_new(handle, &connection) == 0);
        close(connection->fd);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        CHECK(fstat(fds[0], &status) == 0);
        connection->fd = fds[0];
        connection->ino = status.st_ino;
        pool_give_back(handle, connection);
        sent = send(fds[1], data, size, MSG_NOSIGNAL) == (ssize_t)size;
        /* Not closed: what the library sends is taken, and missed by nobody. */
        CHECK(shutdown(fds[1], SHUT_WR) == 0);
        *ret = fds[1];
        return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static enum tokend_error (*const calls[])(struct tokend * handle, struct tokend_failure * failure) = {
                sign, list, certificates, status, watch, delete};
        struct tokend_failure failure = {0};
        struct tokend *handle;
        enum tokend_error error;
        int theirs;

        if (size == 0)
                return 0;
        piece = data[0] < 128 ? SIZE_MAX : data[0] - 127U;
        handle = tokend_open("/nowhere/tokend.sock", TOKEND_NO_WAIT);
        CHECK(handle);
        if (answered(handle, data + 1, size - 1, &theirs)) {
                error = calls[data[0] % 6](handle, &failure);
                if (error != TOKEND_OK)
                        check_failure(error, &failure);
        }
        close(theirs);
        tokend_close(handle);
        return 0;
}
