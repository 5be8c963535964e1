/* SPDX-License-Identifier: MPL-2.0 */
/* What the running daemon says, and whether it is of the same configuration. A daemon that does not run is not started by that. */
#include <stdio.h>
#include <string.h>

#include "client/tokend.h"
#include "daemon/doctor/ask-systemd.h"
#include "daemon/doctor/checks.h"
#include "daemon/util/text.h"
#include "proto/remedy.h"

#define ASK_MS 5000
/* A certificate that ends sooner than this is said. */
#define NEAR_SECONDS (30LL * 24 * 3600)
#define METRIC       "tokend_certificate_not_after_seconds{"

/* Whether a connection would reach a daemon that runs. With the units, systemd holds the socket and would start one. */
static bool runs(struct doctor *doctor, const char *name)
{
        _cleanup_(freep) char *lines = NULL, *state = NULL, *sub = NULL, *status = NULL;

        if (!systemd_is_there() || strcmp(doctor->status_socket, DEFAULT_STATUS_SOCKET) != 0)
                return true;
        lines = systemd_show(TOKEND_UNIT, "ActiveState,SubState,ExecMainStatus");
        state = lines ? systemd_value(lines, "ActiveState") : NULL;
        sub = lines ? systemd_value(lines, "SubState") : NULL;
        status = lines ? systemd_value(lines, "ExecMainStatus") : NULL;
        if (!state || !sub || !status || strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0)
                return true;
        if (strcmp(state, "inactive") == 0)
                good(doctor, NULL, name,
                        TOKEND_UNIT " does not run: it was not asked, and no certificate was looked at");
        else
                bad(doctor, NULL, name, "a service that runs, or is stopped",
                        "journalctl -u " TOKEND_UNIT
                        " -n 20 says why; mend what is said here, and systemctl restart " TOKEND_UNIT,
                        TOKEND_UNIT " is %s (%s), and its last exit status is %s", state, sub, status);
        return false;
}

static void check_tokens(struct doctor *doctor, const char *name, const struct tokend_status *status)
{
        for (size_t t = 0; t < doctor->config->n_tokens; t++) {
                const char *token = doctor->config->tokens[t]->name;
                const struct tokend_token_status *found = NULL;
                const struct remedy *remedy;

                if (doctor->only && strcmp(doctor->only, token) != 0)
                        continue;
                for (size_t i = 0; i < status->n_tokens; i++)
                        if (status->tokens[i]->name && strcmp(status->tokens[i]->name, token) == 0)
                                found = status->tokens[i];
                if (!found) {
                        doubtful(doctor, token, name, "the configuration on the disk, in force",
                                "systemctl reload " TOKEND_UNIT,
                                "the daemon has no such token: it was not told to read the files");
                        continue;
                }
                if (found->module && strcmp(found->module, doctor->config->tokens[t]->module) != 0)
                        doubtful(doctor, token, name, "the configuration on the disk, in force",
                                "systemctl reload " TOKEND_UNIT,
                                "the daemon has Module=%s for it: it was not told to read the files",
                                found->module);
                remedy = remedy_find(found->state ? found->state : "");
                if (found->state && strcmp(found->state, "ready") == 0)
                        good(doctor, token, name, "the daemon's token is ready, with %jd keys",
                                (intmax_t)found->keys);
                else
                        bad(doctor, token, name, "a token that is ready", remedy ? remedy->next : NULL,
                                "the daemon's token is %s: %s", found->state ? found->state : "unknown",
                                found->reason ? found->reason : "no reason is known");
        }
}

static void check_status(struct doctor *doctor, const char *name, const struct tokend_status *status)
{
        if (status->configuration && !status->configuration->ok && status->configuration->reason)
                doubtful(doctor, NULL, name, "the configuration on the disk, in force",
                        "systemctl reload " TOKEND_UNIT, "the configuration on the disk is not in force: %s",
                        status->configuration->reason);
        if (status->audit && status->audit->mode && strcmp(status->audit->mode, "none") != 0 &&
                !status->audit->ok)
                finding_add(&doctor->findings, NULL, name,
                        status->audit->required ? FINDING_ERROR : FINDING_WARNING,
                        "records of the uses of keys", NULL, "uses of keys are not recorded%s: %s",
                        status->audit->required ? ", and so refused" : "",
                        status->audit->reason ? status->audit->reason : "");
        check_tokens(doctor, name, status);
}

/* The value of a label, whose escapes are left as they are; "" if it has none of that name. */
static void label_value(const char *line, const char *label, char *ret, size_t size)
{
        _cleanup_(freep) char *start = text_format("%s=\"", label);
        const char *at = start ? strstr(line, start) : NULL, *end;

        *ret = '\0';
        if (!at)
                return;
        at += strlen(start);
        for (end = at; *end && *end != '"'; end++)
                if (*end == '\\' && end[1])
                        end++;
        snprintf(ret, size, "%.*s", (int)(end - at), at);
}

/* One line of the metric, without its end. Returns whether the certificate has time left. */
static bool check_certificate(struct doctor *doctor, const char *name, const char *line)
{
        const char *value = strrchr(line, ' ');
        char token[256], nickname[512];
        long long left = value ? strtoll(value + 1, NULL, 10) - (long long)(wall_usec() / USEC_PER_SEC) : 0;

        label_value(line, "token", token, sizeof(token));
        label_value(line, "nickname", nickname, sizeof(nickname));
        if (!value || left >= NEAR_SECONDS || (doctor->only && strcmp(doctor->only, token) != 0))
                return true;
        doubtful(doctor, token, name, "a certificate with a month or more left",
                "let its issuer make a new one, and put it there with tokendctl import --replace; tokendctl "
                "help "
                "import",
                "the certificate \"%s\" of %s %s %lld days", nickname, token,
                left < 0 ? "has ended since" : "ends in", (left < 0 ? -left : left) / (24 * 3600));
        return false;
}

static void check_certificates(struct doctor *doctor, const char *name, struct tokend *daemon)
{
        struct tokend_failure failure;
        char *text = NULL, *at, *line;
        bool fine = true;

        if (tokend_metrics(daemon, ASK_MS, &text, &failure) != TOKEND_OK)
                return;
        at = text;
        while ((line = strsep(&at, "\n")))
                if (strncmp(line, METRIC, strlen(METRIC)) == 0 && !check_certificate(doctor, name, line))
                        fine = false;
        if (fine)
                good(doctor, NULL, name, "no certificate ends within 30 days");
        tokend_free(text);
}

void check_daemon(struct doctor *doctor, const char *name)
{
        struct tokend_failure failure = {0};
        struct tokend_status *status = NULL;
        struct tokend *daemon;

        if (!runs(doctor, name))
                return;
        daemon = tokend_open_status(doctor->status_socket, TOKEND_NO_WAIT);
        if (!daemon)
                return;
        if (tokend_status(daemon, ASK_MS, &status, &failure) == TOKEND_OK) {
                check_status(doctor, name, status);
                check_certificates(doctor, name, daemon);
        } else if (failure.error == TOKEND_CANNOT_CONNECT)
                good(doctor, NULL, name,
                        "no daemon answers: it was not asked, and no certificate was looked at (%s)",
                        failure.text);
        else
                bad(doctor, NULL, name, "a daemon that answers", failure.next, "%s", failure.text);
        tokend_status_free(status);
        tokend_close(daemon);
}
