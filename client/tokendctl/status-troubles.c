/* SPDX-License-Identifier: MPL-2.0 */
/* See status-troubles.h. */
#include "client/tokendctl/status-troubles.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/macros.h"
#include "daemon/util/printable.h"
#include "proto/remedy.h"

bool token_is_ready(const struct tokend_token_status *token)
{
        return strcmp(token->state, "ready") == 0;
}

static void print_when(int64_t usec, int64_t now)
{
        time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;
        char date[64], ago[32];

        if (usec <= 0 || !localtime_r(&seconds, &tm) ||
                strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
                printf("?");
                return;
        }
        duration_format(now - usec, ago, sizeof(ago));
        printf("%s, %s ago", date, ago);
}

/* Claims of other hosts. A claim that lasts was left by a crash, and keeps everybody from that nickname. */
static void print_claims(const struct tokend_token_status *token, int64_t now)
{
        for (size_t i = 0; i < token->n_claims; i++) {
                const struct tokend_claim *claim = token->claims[i];
                _cleanup_(freep) char *name = printable_new(token->name),
                                      *nickname = printable_new(claim->nickname),
                                      *host = printable_new(claim->host ? claim->host : ""),
                                      *claimant = printable_new(claim->claimant);
                char since[32];

                duration_format(now - claim->since_usec, since, sizeof(since));
                if (name && nickname && host && claimant)
                        printf("  %s: host %s has claimed \"%s\" for %s (claimant %s)\n", name, host,
                                nickname, since, claimant);
        }
}

/* What is wrong with the records of uses of keys, if anything is. */
static void print_audit(const struct tokend_audit_status *audit, bool color, int64_t now)
{
        _cleanup_(freep) char *reason = printable_new(audit->reason ? audit->reason : "");

        if (!audit->mode || strcmp(audit->mode, "none") == 0)
                return;
        if (!audit->ok) {
                printf("  %suses of keys are not recorded%s%s since ", color ? "\033[1;31m" : "",
                        audit->required ? ", and keys cannot be used (AuditRequired=yes)" : "",
                        color ? "\033[0m" : "");
                print_when(audit->since_usec, now);
                printf(": %s\n", reason ? reason : "");
        }
        if (audit->lost > 0)
                printf("  %" PRId64 " records of uses of keys are lost\n", audit->lost);
}

/* Files that were refused: the next start would fail with them. */
static void print_configuration(
        const struct tokend_configuration_status *configuration, bool color, int64_t now)
{
        _cleanup_(freep) char *reason = printable_new(configuration->reason ? configuration->reason : "");

        if (configuration->ok || !configuration->reason)
                return;
        printf("  %sthe configuration on the disk is not in force%s since ", color ? "\033[1;31m" : "",
                color ? "\033[0m" : "");
        print_when(configuration->since_usec, now);
        printf(": %s\n", reason ? reason : "");
}

/* First the tokens that do not work, or of which something is to be known, and why; then the last error that each device reported. */
static void print_tokens(const struct tokend_status *status, int64_t now)
{
        for (size_t i = 0; i < status->n_tokens; i++) {
                const struct tokend_token_status *token = status->tokens[i];
                _cleanup_(freep) char *name = printable_new(token->name),
                                      *state = printable_new(token->state);
                _cleanup_(freep) char *reason = printable_new(token->reason ? token->reason : "");
                const struct remedy *remedy;

                if (!name || !state || !reason || (token_is_ready(token) && !*reason))
                        continue;
                printf("  %s is %s since ", name, state);
                print_when(token->since_usec, now);
                printf("%s%s\n", *reason ? ": " : "", reason);
                remedy = token_is_ready(token) ? NULL
                                               : remedy_find(token->cause ? token->cause : token->state);
                if (remedy)
                        printf("    next: %s\n", remedy->next);
        }
        for (size_t i = 0; i < status->n_tokens; i++) {
                const struct tokend_token_status *token = status->tokens[i];
                _cleanup_(freep) char *name = printable_new(token->name);
                _cleanup_(freep) char *ckr =
                        printable_new(token->last_error_ckr ? token->last_error_ckr : "");

                if (!name || !ckr || !*ckr)
                        continue;
                printf("  last error of %s: %s, ", name, ckr);
                print_when(token->last_error_usec, now);
                printf("\n");
        }
}

/* Keys and certificates that nobody here deleted. */
static void print_gone(const struct tokend_token_status *token, bool color, int64_t now)
{
        for (size_t i = 0; i < token->n_gone; i++) {
                const struct tokend_gone *gone = token->gone[i];
                _cleanup_(freep) char *name = printable_new(token->name), *kind = printable_new(gone->kind),
                                      *nickname = printable_new(gone->nickname);

                if (!name || !kind || !nickname)
                        continue;
                printf("  %s: the %s \"%s\" %sis gone%s since ", name, kind, nickname,
                        color ? "\033[1;31m" : "", color ? "\033[0m" : "");
                print_when(gone->since_usec, now);
                printf("\n");
        }
}

void print_troubles(const struct tokend_status *status, bool color, int64_t now)
{
        print_audit(status->audit, color, now);
        print_configuration(status->configuration, color, now);
        print_tokens(status, now);
        for (size_t i = 0; i < status->n_tokens; i++) {
                print_gone(status->tokens[i], color, now);
                print_claims(status->tokens[i], now);
        }
}

/* 0, or the -errno of a connect(2). A queue that is full is somebody who listens. */
static int reach(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 && errno != EAGAIN)
                return -errno;
        return 0;
}

void print_socket(const char *path, bool color)
{
        _cleanup_(freep) char *shown = printable_new(path);
        int r = reach(path);

        if (r == 0)
                printf("keys are served at the socket %s\n", shown ? shown : "");
        else
                printf("  %snobody can connect to the socket %s%s: %s\n", color ? "\033[1;31m" : "",
                        shown ? shown : "", color ? "\033[0m" : "", strerror(-r));
}
