/* SPDX-License-Identifier: MPL-2.0 */
/* See internal.h. */
#include "daemon/worker/device/internal.h"

#include <fcntl.h>
#include <nspr/prerror.h>
#include <nss/nss.h>
#include <nss/pk11pub.h>
#include <nss/secmod.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/log.h"
#include "daemon/util/secret.h"
#include "daemon/util/text.h"
#include "daemon/util/wipe.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/device/store.h"

/* Random bytes of a PIN that is made; it has twice as many characters. */
#define MADE_PIN_BYTES 32U

static int write_synced(int directory, const char *name, const struct secret *pin)
{
        _cleanup_(closep) int fd =
                openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        const char *text = secret_text(pin);
        size_t left = secret_length(pin);

        if (fd < 0)
                return -errno;
        while (left > 0) {
                ssize_t n = write(fd, text, left);
                if (n < 0)
                        return -errno;
                text += n;
                left -= (size_t)n;
        }
        return fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The file is on disk and complete when this returns, or it does not exist. */
static int make_pin_file(const char *directory)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = secret_new_random(MADE_PIN_BYTES, &pin);
        if (r == 0)
                r = write_synced(fd, "pin.new", pin);
        if (r < 0)
                return r;
        return renameat(fd, "pin.new", fd, "pin") < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int has_pin(PK11SlotInfo *slot, bool *ret, struct failure *failure)
{
        CK_TOKEN_INFO info;

        if (PK11_GetTokenInfo(slot, &info) != SECSuccess)
                return failure_set(failure, WORKER_END_ERROR, 0, "cannot ask the NSS databases: %s",
                        PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
        *ret = info.flags & CKF_USER_PIN_INITIALIZED;
        return 0;
}

/* The databases have no PIN: they are new, or their making was interrupted. */
static int complete(struct slot_token *token, PK11SlotInfo *slot, bool have_file, struct failure *failure)
{
        const char *directory = token->config->directory;
        _cleanup_(secret_freep) struct secret *pin = NULL;
        bool made;
        int r;

        if (!token->config->pin && !have_file) {
                r = make_pin_file(directory);
                if (r < 0)
                        return failure_set(failure, WORKER_END_ERROR, 0, "cannot make a PIN file in %s: %s",
                                directory, strerror(-r));
        }
        r = login_read_pin(token, &pin, failure);
        if (r != 0)
                return r;
        made = PK11_InitPin(slot, "", secret_text(pin)) == SECSuccess;
        /* softoken leaves the PIN on its stack. */
        wipe_stack();
        if (!made)
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "cannot set the PIN of the NSS databases in %s: %s", directory,
                        PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
        log_notice("token %s: NSS databases made in %s", token->config->name, directory);
        return 0;
}

static int prepare_slot(struct slot_token *token, PK11SlotInfo *slot, struct failure *failure)
{
        bool initialized = false, have_file;
        int r = has_pin(slot, &initialized, failure);

        if (r != 0)
                return r;
        have_file = access(token->pin_file, F_OK) == 0;
        if (!initialized && !token->look)
                r = store_may_complete(token, failure);
        if (r == 0 && !initialized && !token->look)
                r = complete(token, slot, have_file, failure);
        if (r != 0)
                return r;
        /* Somebody else made the databases, with a password that we have no file of: only Pin= can help. */
        if (initialized && !have_file) {
                free(token->pin_file);
                token->pin_file = NULL;
        }
        token->slot = PK11_GetSlotID(slot);
        token->p11 = SECMOD_GetInternalModule()->functionList;
        token->thread_safe = true;
        return 0;
}

int internal_load(struct slot_token *token, struct failure *failure)
{
        const char *directory = token->config->directory;
        _cleanup_(freep) char *spec = text_format("sql:%s", directory);
        /* Without pkcs11.txt and without the root certificates: what they name would be loaded into this
         * process. */
        PRUint32 flags = NSS_INIT_NOMODDB | NSS_INIT_NOROOTINIT | (token->look ? NSS_INIT_READONLY : 0);
        PK11SlotInfo *slot;
        int r;

        token->pin_file = text_format("%s/pin", directory);
        if (!spec || !token->pin_file)
                return -ENOMEM;
        r = token->look ? 0 : store_begin(token, failure);
        if (r != 0)
                return r;
        if (NSS_Initialize(spec, "", "", SECMOD_DB, flags) != SECSuccess)
                return failure_set(failure, WORKER_END_ERROR, 0, "cannot open the NSS databases in %s: %s",
                        directory, PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
        slot = PK11_GetInternalKeySlot();
        if (!slot)
                return failure_set(failure, WORKER_END_ERROR, 0, "NSS has no slot for %s", directory);
        /* The reference is kept: the worker uses the slot until it ends. */
        r = prepare_slot(token, slot, failure);
        if (r == 0 && !token->look)
                store_made(token);
        return r;
}
