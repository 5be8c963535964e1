/* SPDX-License-Identifier: MPL-2.0 */
/* See claimant.h. All workers of a host may make the file at the same time: the first one to link it wins. */
#include "daemon/worker/claims/claimant.h"

#include <fcntl.h>
#include <nss/pk11pub.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/util/log.h"
#include "daemon/util/text.h"
#include "daemon/worker/core/descriptors.h"

/* Random bytes of the id; its file has twice as many characters. */
#define ID_BYTES 16U
#define ID_TEXT  (2 * ID_BYTES)
#define ID_FILE  "claimant"

/* ---- the file ---- */

static int read_id(int directory, char ret[static ID_TEXT + 1])
{
        _cleanup_(closep) int fd = openat(directory, ID_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char text[ID_TEXT + 2];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text));
        if (n < 0)
                return -errno;
        if (n != ID_TEXT + 1 || text[ID_TEXT] != '\n' || strspn(text, "0123456789abcdef") != ID_TEXT)
                return -EBADMSG;
        memcpy(ret, text, ID_TEXT);
        ret[ID_TEXT] = '\0';
        return 0;
}

static int write_id(int fd)
{
        uint8_t id[ID_BYTES];
        char text[ID_TEXT + 1];

        if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
                return -EIO;
        text_hex(id, sizeof(id), text);
        text[ID_TEXT] = '\n';
        if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
                return -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}

/* The file gets its name when it is complete: a crash leaves nothing under that name. */
static int make_id(int directory)
{
        char name[32];
        _cleanup_(closep) int fd = -1;
        int r;

        snprintf(name, sizeof(name), ID_FILE ".%d", (int)getpid());
        (void)unlinkat(directory, name, 0);
        fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_id(fd);
        if (r == 0 && linkat(directory, name, directory, ID_FILE, 0) < 0 && errno != EEXIST)
                r = -errno;
        (void)unlinkat(directory, name, 0);
        if (r == 0 && fsync(directory) < 0)
                r = -errno;
        return r;
}

static int get_id(const char *path, char ret[static ID_TEXT + 1])
{
        _cleanup_(closep) int directory = -1;
        int r;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        r = read_id(directory, ret);
        if (r == -ENOENT) {
                r = make_id(directory);
                if (r == 0)
                        r = read_id(directory, ret);
        }
        return r;
}

/* ---- who ---- */

static void read_machine(char *ret, size_t size)
{
        _cleanup_(closep) int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

        ret[MAX_OF(n, 0)] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

static bool hash_id(const char *id, const char *token, uint8_t ret[static CLAIMANT_LENGTH])
{
        char machine[64];
        _cleanup_(freep) char *text = NULL;

        read_machine(machine, sizeof(machine));
        text = text_format("%s\n%s\n%s", id, machine, token);
        return text && PK11_HashBuf(SEC_OID_SHA256, ret, (const unsigned char *)text,
                               (PRInt32)strlen(text)) == SECSuccess;
}

void claimant_init(struct claimant *claimant, const char *state_directory, const char *token, bool writes)
{
        char id[ID_TEXT + 1];
        pthread_condattr_t attributes;
        int r;

        *claimant = (struct claimant){.writes = writes, .holds = writes};
        pthread_mutex_init(&claimant->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&claimant->answered, &attributes);
        pthread_condattr_destroy(&attributes);
        if (gethostname(claimant->host, sizeof(claimant->host) - 1) < 0)
                claimant->host[0] = '\0';
        if (!writes)
                return;
        r = get_id(state_directory, id);
        if (r == 0 && hash_id(id, token, claimant->id))
                return;
        log_error("token %s: cannot read or make %s/%s (%s): if this worker crashes, a claim on a nickname "
                  "that "
                  "it leaves will not be recognized as its own, and an operator has to remove it",
                token, state_directory, ID_FILE, r < 0 ? strerror(-r) : "NSS cannot hash");
        if (getrandom(claimant->id, sizeof(claimant->id), 0) != (ssize_t)sizeof(claimant->id)) {
                claimant->writes = false;
                atomic_store(&claimant->holds, false);
        }
}

/* ---- asking ---- */

static void failed(struct look_answer *ret, const char *reason)
{
        *ret = (struct look_answer){.ok = false};
        snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

void claimant_ask(
        struct claimant *claimant, struct message_seek *seek, uint64_t timeout_usec, struct look_answer *ret)
{
        uint64_t until = now_usec() + timeout_usec;
        struct timespec deadline = {(time_t)(until / USEC_PER_SEC), (long)(until % USEC_PER_SEC) * 1000};
        int r = 0;

        pthread_mutex_lock(&claimant->lock);
        seek->number = ++claimant->number;
        claimant->waiting = true;
        claimant->there = false;
        r = -message_send_seek(CONTROL_FD, seek, NULL, 0);
        while (r == 0 && !claimant->there)
                r = pthread_cond_timedwait(&claimant->answered, &claimant->lock, &deadline);
        claimant->waiting = false;
        if (claimant->there) {
                *ret = (struct look_answer){
                        claimant->answer.ok, claimant->answer.seen, claimant->answer.ckr, ""};
                memcpy(ret->reason, claimant->reason, sizeof(ret->reason));
        } else
                failed(ret, r == ETIMEDOUT ? "it took too long" : strerror(r));
        pthread_mutex_unlock(&claimant->lock);
}

void claimant_answer(struct claimant *claimant, const struct message_sought *sought)
{
        pthread_mutex_lock(&claimant->lock);
        if (claimant->waiting && !claimant->there && sought->number == claimant->number) {
                claimant->answer = *sought;
                claimant->answer.reason = NULL;
                snprintf(claimant->reason, sizeof(claimant->reason), "%s", sought->reason);
                claimant->there = true;
                pthread_cond_signal(&claimant->answered);
        }
        pthread_mutex_unlock(&claimant->lock);
}
