/* SPDX-License-Identifier: MPL-2.0 */
/* See inside.h. */
#include "daemon/doctor/inside.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "daemon/doctor/ask-systemd.h"
#include "daemon/doctor/program-output.h"
#include "daemon/util/text.h"

/* What every run may take beside the modules' own limits. */
#define MORE_USEC (60 * USEC_PER_SEC)

/* What of tokend.service holds for its processes. RemoveIPC= is left out: it would take what the running service has. */
static const char properties[] = "User,Group,SupplementaryGroups,UMask,Environment,PassEnvironment,"
                                 "StateDirectory,StateDirectoryMode,LogsDirectory,"
                                 "LogsDirectoryMode,CacheDirectory,CacheDirectoryMode,CapabilityBoundingSet,"
                                 "AmbientCapabilities,NoNewPrivileges,"
                                 "ProtectSystem,ProtectHome,PrivateTmp,PrivateDevices,DevicePolicy,"
                                 "DeviceAllow,PrivateNetwork,NetworkNamespacePath,"
                                 "RestrictAddressFamilies,IPAddressAllow,IPAddressDeny,PrivateIPC,"
                                 "IPCNamespacePath,PrivateMounts,PrivateUsers,ProtectClock,"
                                 "ProtectControlGroups,ProtectHostname,ProtectKernelLogs,"
                                 "ProtectKernelModules,ProtectKernelTunables,ProtectProc,ProcSubset,"
                                 "RestrictNamespaces,RestrictRealtime,RestrictSUIDSGID,LockPersonality,"
                                 "KeyringMode,MemoryDenyWriteExecute,"
                                 "SystemCallArchitectures,SystemCallFilter,SystemCallErrorNumber,"
                                 "ReadWritePaths,ReadOnlyPaths,InaccessiblePaths,ExecPaths,"
                                 "NoExecPaths,BindPaths,BindReadOnlyPaths,TemporaryFileSystem,RootDirectory,"
                                 "LimitNOFILE,LimitMEMLOCK,LimitCORE";

struct argument_list {
        char **items;
        size_t n;
        bool failed;
};

/* Takes the text. */
static void push(struct argument_list *arguments, char *text)
{
        char **grown = reallocarray(arguments->items, arguments->n + 2, sizeof(*grown));

        if (!grown || !text) {
                free(text);
                arguments->failed = true;
        } else {
                grown[arguments->n++] = text;
                grown[arguments->n] = NULL;
        }
        if (grown)
                arguments->items = grown;
}

static void push_words(struct argument_list *arguments, const char *const *words)
{
        for (; *words; words++)
                push(arguments, strdup(*words));
}

static void arguments_done(struct argument_list *arguments)
{
        for (size_t i = 0; i < arguments->n; i++)
                free(arguments->items[i]);
        free(arguments->items);
}

/* ---- the unit's sandbox ---- */

/* ptrace(2) beside what the unit allows: so it is seen what a module is refused. */
static char *property_argument(const char *line, size_t length)
{
        static const char filter[] = "SystemCallFilter=", capabilities[] = "CapabilityBoundingSet=";

        if (strncmp(line, filter, strlen(filter)) == 0 && line[strlen(filter)] != '~' &&
                length > strlen(filter))
                return text_format("--property=%.*s ptrace", (int)length, line);
        if (line[length - 1] == '=' && strncmp(line, capabilities, strlen(capabilities)) != 0)
                return NULL;
        return text_format("--property=%.*s", (int)length, line);
}

static void push_properties(struct argument_list *arguments, const char *lines)
{
        for (const char *at = lines; *at;) {
                size_t length = strcspn(at, "\n");
                char *argument = length > 0 ? property_argument(at, length) : NULL;

                if (argument)
                        push(arguments, argument);
                at += length + (at[length] == '\n');
        }
}

/* Those whose file is there: without it nothing would start, and check_credentials() says so. */
static void push_credentials(struct argument_list *arguments)
{
        struct systemd_credentials list;

        if (systemd_credentials(TOKEND_UNIT, &list) < 0)
                return;
        for (size_t i = 0; i < list.n; i++) {
                const struct systemd_credential *c = &list.items[i];

                if (c->source[0] != '/' || access(c->source, F_OK) == 0)
                        push(arguments, text_format("--property=%s=%s%s%s", c->kind, c->name,
                                                *c->source ? ":" : "", c->source));
        }
        systemd_credentials_done(&list);
}

static bool push_unit(struct argument_list *arguments, uint64_t limit_usec)
{
        static const char *const begin[] = {"systemd-run", "--wait", "--pipe", "--quiet", "--collect",
                "--service-type=exec", "--description=tokendctl doctor", NULL};
        _cleanup_(freep) char *lines = systemd_show(TOKEND_UNIT, properties);

        if (!lines)
                return false;
        push_words(arguments, begin);
        push(arguments, text_format("--property=RuntimeMaxSec=%ju", (uintmax_t)(limit_usec / USEC_PER_SEC)));
        push_properties(arguments, lines);
        push_credentials(arguments);
        push(arguments, strdup("--"));
        return true;
}

/* ---- the run ---- */

static void push_user(struct argument_list *arguments, const char *name)
{
        static const char *const rest[] = {
                "--init-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--", NULL};
        const struct passwd *user = getpwnam(name);

        push(arguments, strdup("setpriv"));
        push(arguments, text_format("--reuid=%s", name));
        push(arguments, text_format("--regid=%u", user ? (unsigned)user->pw_gid : 0));
        push_words(arguments, rest);
}

static void push_self(struct argument_list *arguments, const struct doctor *doctor)
{
        char self[4096] = "";
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        const char *const words[] = {
                n > 0 ? self : "tokend-doctor", "--inside", "--config", doctor->config_path, NULL};

        push_words(arguments, words);
        if (doctor->unit)
                push(arguments, strdup("--unit"));
        if (doctor->login)
                push(arguments, strdup("--login"));
        push(arguments, strdup("--"));
        if (doctor->only)
                push(arguments, strdup(doctor->only));
}

/* How long it may take at most: each module has its StartTimeout=. */
static uint64_t limit_of(const struct config *config)
{
        uint64_t limit = MORE_USEC;

        for (size_t i = 0; i < config->n_tokens; i++)
                limit += config->tokens[i]->start_timeout_usec;
        return limit;
}

static size_t read_findings(struct doctor *doctor, char *text)
{
        size_t before = doctor->findings.n;
        char *line;

        while ((line = strsep(&text, "\n")))
                (void)finding_read(&doctor->findings, line);
        return doctor->findings.n - before;
}

/* Returns whether there is anything. *ret_words: what it wrote to standard error, if not. */
static bool run(struct doctor *doctor, struct argument_list *arguments, uint64_t limit_usec, char **ret_words)
{
        struct program_output output = {0};
        _cleanup_(closep) int config = -1;
        size_t n;

        *ret_words = NULL;
        /* As the front has read it, with users and groups as numbers. */
        if (arguments->failed || config_to_memfd(doctor->config, &config) < 0 ||
                program_run(arguments->items, config, limit_usec, &output) < 0)
                return false;
        n = read_findings(doctor, output.out);
        if (n == 0)
                *ret_words = strdup(output.late ? "it did not end in time" : output.err);
        program_output_done(&output);
        return n > 0;
}

void inside_run(struct doctor *doctor, const char *user)
{
        uint64_t limit = limit_of(doctor->config);
        struct argument_list arguments = {0};
        char *words = NULL;

        if (doctor->unit && push_unit(&arguments, limit)) {
                push_self(&arguments, doctor);
                if (!run(doctor, &arguments, limit + MORE_USEC, &words))
                        bad(doctor, NULL, "unit", "a run in the sandbox of " TOKEND_UNIT,
                                "systemctl status " TOKEND_UNIT " says whether the unit itself starts",
                                "nothing could be tried in the unit's sandbox: %s",
                                words && *words ? words : "systemd-run failed");
        } else {
                if (user)
                        push_user(&arguments, user);
                push_self(&arguments, doctor);
                if (!run(doctor, &arguments, limit, &words))
                        bad(doctor, NULL, "unit", "a run as the service's user", NULL,
                                "nothing could be tried: %s",
                                words && *words ? words : "the program could not be started");
        }
        free(words);
        arguments_done(&arguments);
}
