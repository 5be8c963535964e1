/* SPDX-License-Identifier: MPL-2.0 */
/* See keeper.h. */
#include "daemon/audit/keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/audit/own-kind.h"
#include "daemon/util/audit.h"
#include "daemon/util/log.h"

/* Bounds what the chain adds to one write: with LINE_EXTRA each, less than the records' own bound. */
enum {
        RECORDS_MAX = 4096
};

int keeper_init(struct keeper *keeper, const char *path, confine_directory *confine)
{
        struct keeper new = {.ok = true};
        int r;

        if ((r = file_new(path, confine, &new.file)) < 0)
                return r;
        if ((r = batch_init(&new.batch, LIMIT_AUDIT_BACKLOG)) < 0) {
                file_free(new.file);
                return r;
        }
        *keeper = new;
        return 0;
}

void keeper_done(struct keeper *keeper)
{
        file_free(keeper->file);
        batch_done(&keeper->batch);
        keeper->file = NULL;
}

bool keeper_has_room(const struct keeper *keeper)
{
        return !keeper->ok || (keeper->batch.n < RECORDS_MAX &&
                                      keeper->batch.size - keeper->batch.length > LIMIT_AUDIT_RECORD + 1);
}

void keeper_add(struct keeper *keeper, const char *text, size_t length)
{
        if (keeper->batch.n < RECORDS_MAX && batch_add(&keeper->batch, text, length) == 0)
                return;
        keeper->lost_now++;
        keeper->lost++;
}

static const char *reason_of(int error)
{
        switch (-error) {
        case EBUSY:
                return "another process writes this file";
        case ENODEV:
                return "it is not a regular file";
        case ELOOP:
                return "it is a symbolic link";
        case ESTALE:
                return "another directory is in the place of its directory: another tokend-audit begins "
                       "there";
        default:
                return strerror(-error);
        }
}

static void keeper_failed(struct keeper *keeper, int error, uint64_t now_usec)
{
        const char *reason = reason_of(error);

        keeper->retry_usec = now_usec + KEEPER_RETRY_USEC;
        if (keeper->ok) {
                keeper->since_usec = wall_usec();
                keeper->lost_now = 0;
        }
        if (keeper->ok || strcmp(keeper->reason, reason) != 0)
                log_error("audit: records cannot be written to %s: %s", file_path(keeper->file), reason);
        keeper->ok = false;
        keeper->over = error == -ESTALE;
        (void)snprintf(keeper->reason, sizeof(keeper->reason), "%s", reason);
}

/* The record about the time when nothing could be written. late: the number of records that follow it at once. */
static void back_record(const struct keeper *keeper, char *ret, size_t size)
{
        char when[AUDIT_TIME_SIZE], since[AUDIT_TIME_SIZE];

        audit_time(wall_usec(), when);
        audit_time(keeper->since_usec, since);
        (void)snprintf(ret, size,
                "{\"time\":\"%s\",\"kind\":\"%s\",\"since\":\"%s\",\"reason\":\"%s\",\"late\":%zu,\"lost\":"
                "%" PRIu64 "}",
                when, own_kind_name(OWN_BACK), since, keeper->reason, keeper->batch.n, keeper->lost_now);
}

bool keeper_commit(struct keeper *keeper, uint64_t now_usec)
{
        char back[512];
        int r;

        if (!keeper->ok && now_usec < keeper->retry_usec)
                return false;
        if (!keeper->ok)
                back_record(keeper, back, sizeof(back));
        r = file_append(keeper->file, keeper->ok ? NULL : back, &keeper->batch);
        if (r < 0) {
                keeper_failed(keeper, r, now_usec);
                return false;
        }
        if (!keeper->ok)
                log_notice("audit: records are written again; %zu late, %" PRIu64 " lost", keeper->batch.n,
                        keeper->lost_now);
        batch_clear(&keeper->batch);
        keeper->ok = true;
        return true;
}
