/* SPDX-License-Identifier: MPL-2.0 */
/* See account.h. */
#include "daemon/broker/model/account.h"

#include "daemon/util/macros.h"
#include "proto/limits.h"

/* Denials of one user are counted in this time, of which the first ones are recorded in full. */
#define DENIALS_USEC (10 * USEC_PER_SEC)

void accounts_init(struct accounts *accounts)
{
        *accounts = (struct accounts){0};
        link_init(&accounts->list);
}

struct account *account_of(struct accounts *accounts, uid_t uid)
{
        struct account *account;

        LINK_FOREACH(at, &accounts->list)
        {
                account = LINK_OF(at, struct account, link);
                if (account->uid == uid) {
                        account->refs++;
                        return account;
                }
        }
        account = calloc(1, sizeof(*account));
        if (!account)
                return NULL;
        account->accounts = accounts;
        account->uid = uid;
        account->refs = 1;
        link_init(&account->link);
        link_append(&accounts->list, &account->link);
        return account;
}

static void free_unused(struct account *account)
{
        if (account->refs > 0 || account->n_unrecorded > 0)
                return;
        link_remove(&account->link);
        free(account);
}

void account_unref(struct account *account)
{
        if (!account)
                return;
        account->refs--;
        free_unused(account);
}

void account_charge(struct account *account, size_t before, size_t after)
{
        if (!account)
                return;
        account->bytes += after - before;
        account->accounts->bytes += after - before;
        account->accounts->peak_bytes = MAX_OF(account->accounts->peak_bytes, account->accounts->bytes);
}

/* A debt is paid back at this part of the time that passes; so much of the broker a user may have before others come first. */
#define REPAID_PART 4U
/* The debt from which on others come first: some dozens of requests at once are none. */
#define BEHIND_USEC (2 * USEC_PER_MSEC)
/* No debt is greater, so that it is forgotten in a second. */
#define DEBT_MAX_USEC (250 * USEC_PER_MSEC)

static void repay(struct account *account, uint64_t now)
{
        uint64_t repaid = now > account->repaid_usec ? (now - account->repaid_usec) / REPAID_PART : 0;

        /* What is less than a microsecond is kept for the next time. */
        account->repaid_usec =
                repaid < account->debt_usec ? account->repaid_usec + repaid * REPAID_PART : now;
        account->debt_usec -= MIN_OF(repaid, account->debt_usec);
}

void account_spend(struct account *account, uint64_t now, uint64_t usec)
{
        if (!account)
                return;
        repay(account, now);
        account->busy_usec += usec;
        account->debt_usec = MIN_OF(account->debt_usec + usec, DEBT_MAX_USEC);
}

bool account_is_behind(struct account *account, uint64_t now)
{
        if (!account)
                return false;
        repay(account, now);
        return account->debt_usec > BEHIND_USEC;
}

bool account_is_over(const struct account *account, bool stranger)
{
        const struct accounts *accounts = account->accounts;
        size_t others = accounts->bytes - account->bytes;

        if (stranger)
                return account->bytes > LIMIT_STRANGER_BYTES;
        return others >= accounts->max_bytes || account->bytes > (accounts->max_bytes - others) / 2;
}

bool account_records_denial(struct account *account, uint64_t now)
{
        if (account->denials_usec == 0 ||
                (now - account->denials_usec >= DENIALS_USEC && account->n_unrecorded == 0)) {
                account->denials_usec = now;
                account->n_denials = 0;
        }
        if (account->n_denials < LIMIT_DENIALS) {
                account->n_denials++;
                return true;
        }
        account->n_unrecorded++;
        return false;
}

uint64_t account_denials_due_usec(const struct account *account)
{
        return account->n_unrecorded > 0 ? account->denials_usec + DENIALS_USEC : USEC_NEVER;
}

uint64_t account_take_denials(struct account *account)
{
        uint64_t n = account->n_unrecorded;

        account->n_unrecorded = 0;
        account->denials_usec = 0;
        free_unused(account);
        return n;
}

void accounts_done(struct accounts *accounts)
{
        LINK_FOREACH_SAFE(at, &accounts->list)
        {
                struct account *account = LINK_OF(at, struct account, link);

                link_remove(at);
                free(account);
        }
}
