/* SPDX-License-Identifier: MPL-2.0 */
/* Loads the module of a token in a process of its own, and says what it has: which tokens, which of them is meant, whether it can log
 * in, and what the kernel refused it. */
#include <glob.h>
#include <nss/pkcs11.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/doctor/checks.h"
#include "daemon/doctor/module-watch.h"
#include "daemon/doctor/pin-place.h"
#include "daemon/doctor/reach.h"
#include "daemon/util/text.h"
#include "daemon/util/uri.h"

#define EXPECT_MODULE "a PKCS #11 module that loads and can be initialized"
#define EXPECT_ONE    "exactly one token that matches the section"

/* ---- the module ---- */

/* "Module=/a, Module=/b": what is installed where modules are. The caller frees; NULL: nothing, or no memory. */
static char *installed_modules(void)
{
        static const char *const patterns[] = {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/pkcs11/*.so",
                "/usr/lib/pkcs11/*.so", "/usr/lib64/pkcs11/*.so", "/opt/*/lib/*pkcs11*.so"};
        char *list = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
                glob_t found = {0};

                if (glob(patterns[i], 0, NULL, &found) == 0)
                        for (size_t j = 0; j < found.gl_pathc && j < 16; j++) {
                                char *longer;

                                /* Modules over modules, and tokend's own, which would ask the daemon. */
                                if (strstr(found.gl_pathv[j], "libtokend") ||
                                        strstr(found.gl_pathv[j], "-trust") ||
                                        strstr(found.gl_pathv[j], "-spy"))
                                        continue;
                                longer = text_format("%s%sModule=%s", list ? list : "", list ? ", or " : "",
                                        found.gl_pathv[j]);
                                free(list);
                                list = longer;
                        }
                globfree(&found);
        }
        return list;
}

static void bad_module(struct doctor *doctor, const char *name, const struct config_token *token,
        const struct module_report *report, const char *what)
{
        _cleanup_(freep) char *there = NULL, *remedy = NULL;
        bool loads = strcmp(report->at, "dlopen") != 0;

        if (!loads)
                there = installed_modules();
        if (loads)
                remedy = text_format("journalctl --since -1min has what the module itself says, if it does; "
                                     "the needs of its maker are in tokend-devices(7)");
        else if (there)
                remedy = text_format(
                        "write the module's path into [Token %s]; installed are %s", token->name, there);
        bad(doctor, token->name, name, EXPECT_MODULE, remedy, "%s: %s%s%s%s", token->module, what,
                *report->words ? " (its own last words: " : "", report->words, *report->words ? ")" : "");
}

/* Whether it came to its end. */
static bool check_end(struct doctor *doctor, const char *name, const struct config_token *token,
        const struct module_report *report)
{
        char what[1200];

        if (report->late)
                snprintf(what, sizeof(what), "%s did not come back within %ju ms", report->at,
                        (uintmax_t)(token->start_timeout_usec / USEC_PER_MSEC));
        else if (WIFSIGNALED(report->status))
                snprintf(what, sizeof(what), "it crashed in %s: %s", report->at,
                        strsignal(WTERMSIG(report->status)));
        else if (*report->error)
                snprintf(what, sizeof(what), "%s", report->error);
        else if (!report->done)
                snprintf(what, sizeof(what), "it ended the process in %s, with status %d", report->at,
                        WEXITSTATUS(report->status));
        else
                return true;
        bad_module(doctor, name, token, report, what);
        return false;
}

/* ---- the token ---- */

static const char *login_state(uint64_t flags)
{
        if (!(flags & CKF_TOKEN_INITIALIZED))
                return "not initialized";
        if (!(flags & CKF_LOGIN_REQUIRED))
                return "no login needed";
        if (flags & CKF_USER_PIN_LOCKED)
                return "the PIN is locked";
        if (flags & CKF_USER_PIN_FINAL_TRY)
                return "one more wrong PIN locks it";
        if (flags & CKF_USER_PIN_COUNT_LOW)
                return "a wrong PIN was tried";
        return flags & CKF_USER_PIN_INITIALIZED ? "a login needed" : "no PIN is set";
}

/* A value of a URI of RFC 7512. text is printable. */
static void escape(char *ret, size_t size, const char *text)
{
        size_t at = 0;

        for (; *text && at + 4 < size; text++) {
                if ((unsigned char)*text < 0x80 &&
                        strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *text))
                        ret[at++] = *text;
                else
                        at += (size_t)snprintf(ret + at, size - at, "%%%02X", (unsigned char)*text);
        }
        ret[at] = '\0';
}

/* Whether another slot has a token of the same label and serial number: then only the number of the slot is left. */
static bool has_twin(const struct module_report *report, const struct module_slot *slot)
{
        for (size_t i = 0; i < report->n_slots; i++)
                if (&report->slots[i] != slot && strcmp(report->slots[i].label, slot->label) == 0 &&
                        strcmp(report->slots[i].serial, slot->serial) == 0)
                        return true;
        return false;
}

static void uri_line(
        const struct module_report *report, const struct module_slot *slot, char *ret, size_t size)
{
        char label[800], serial[800], number[64] = "";

        escape(label, sizeof(label), slot->label);
        escape(serial, sizeof(serial), slot->serial);
        if (has_twin(report, slot))
                snprintf(number, sizeof(number), ";slot-id=%ju", (uintmax_t)slot->number);
        snprintf(ret, size, "Uri=pkcs11:token=%s;serial=%s%s", label, serial, number);
}

/* The tokens that there are, and a line of Uri= for each that may be meant. The caller frees both. */
static void list_slots(
        const struct module_report *report, size_t n_matching, char **ret_list, char **ret_lines)
{
        char *list = NULL, *lines = NULL;

        for (size_t i = 0; i < report->n_slots; i++) {
                const struct module_slot *slot = &report->slots[i];
                char line[1800], *longer;

                longer = text_format("%s%s\"%s\" (slot %ju, serial %s, %s)", list ? list : "",
                        list ? ", " : "", slot->label, (uintmax_t)slot->number,
                        *slot->serial ? slot->serial : "none", login_state(slot->flags));
                free(list);
                list = longer;
                if (!(slot->flags & CKF_TOKEN_INITIALIZED) || (n_matching > 0 && !slot->matches))
                        continue;
                uri_line(report, slot, line, sizeof(line));
                longer = text_format("%s%s%s", lines ? lines : "", lines ? ", or " : "", line);
                free(lines);
                lines = longer;
        }
        *ret_list = list;
        *ret_lines = lines;
}

static char *new_token(const struct doctor *doctor, const struct config_token *token)
{
        struct uri uri = {0};
        char *remedy;

        if (token->uri && uri_parse(token->uri, &uri) < 0)
                return NULL;
        remedy = needs_new_token(doctor, token, uri.parts[URI_TOKEN] ? uri.parts[URI_TOKEN] : token->name);
        uri_done(&uri);
        return remedy ? remedy
                      : strdup("initialize a token with the tool of the module's maker, as the user that "
                               "tokend runs as");
}

/* The one that is meant; NULL: none, or several, which is said. */
static const struct module_slot *check_one(struct doctor *doctor, const char *name,
        const struct config_token *token, const struct module_report *report)
{
        _cleanup_(freep) char *list = NULL, *lines = NULL, *remedy = NULL;
        const struct module_slot *found = NULL;
        size_t n = 0;

        for (size_t i = 0; i < report->n_slots; i++)
                if (report->slots[i].matches) {
                        found = &report->slots[i];
                        n++;
                }
        if (n == 1)
                return found;
        list_slots(report, n, &list, &lines);
        if (findings_have_error(&doctor->findings, token->name, "needs"))
                remedy = strdup("mend first what stands at needs");
        else if (lines)
                remedy = text_format("write into [Token %s]: %s", token->name, lines);
        else
                remedy = new_token(doctor, token);
        bad(doctor, token->name, name, EXPECT_ONE, remedy, "%zu tokens match %s; the module shows %s", n,
                token->uri ? token->uri : "(no Uri= is given)", list ? list : "no token");
        return NULL;
}

/* ---- the login ---- */

static void check_state(struct doctor *doctor, const char *name, const struct config_token *token,
        const struct module_slot *slot)
{
        const char *state = login_state(slot->flags);
        _cleanup_(freep) char *remedy = NULL;

        if (!(slot->flags & CKF_LOGIN_REQUIRED))
                return;
        if (!token->pin) {
                remedy = text_format("write into [Token %s]: Pin=file:/etc/tokend/%s.pin, and the PIN alone "
                                     "into that file, of root:%s "
                                     "with mode 0640",
                        token->name, token->name, doctor->group);
                bad(doctor, token->name, name, "Pin=, because the token wants a login", remedy,
                        "the token wants a login, and the section has no Pin=");
        }
        if (slot->flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY))
                bad(doctor, token->name, name, "a token whose PIN can be tried",
                        "log in once with the right PIN by the tool of the module's maker, or let the "
                        "security officer set "
                        "the PIN anew; then restart tokend.service",
                        "%s: tokend tries no PIN then", state);
        else if (slot->flags & CKF_USER_PIN_COUNT_LOW)
                doubtful(doctor, token->name, name, "a token whose last login was good",
                        "see that the PIN in Pin= is the right one before tokend tries it",
                        "%s since the last good login", state);
        else if (!(slot->flags & CKF_USER_PIN_INITIALIZED))
                bad(doctor, token->name, name, "a token that has a PIN",
                        "let the security officer set the user PIN by the tool of the module's maker", "%s",
                        state);
}

static void check_login(struct doctor *doctor, const char *name, const struct config_token *token,
        const struct module_report *report)
{
        if (!*report->login)
                return;
        if (strcmp(report->login, "ok") == 0)
                good(doctor, token->name, name, "one login with the PIN was tried, and it is right");
        else if (strncmp(report->login, "not tried", strlen("not tried")) == 0)
                bad(doctor, token->name, name, "one login with the PIN",
                        "log in once with the right PIN by the tool of the module's maker, which sets the "
                        "count back",
                        "%s", report->login);
        else
                bad(doctor, token->name, name, "one login with the PIN",
                        "put the right PIN where Pin= says, before anything tries the wrong one again",
                        "one login was tried: %s", report->login);
}

/* ---- what it was refused ---- */

static char *network_remedy(const struct doctor *doctor, const char *address)
{
        _cleanup_(freep) char *lines =
                text_format("PrivateNetwork=no 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6' "
                            "IPAddressAllow=%s",
                        *address ? address : "ADDRESS-OF-THE-DEVICE");

        _cleanup_(freep) char *name = text_format("network-%s", *address ? address : "any");

        return doctor->unit && lines && name ? remedy_drop_in(name, lines) : NULL;
}

static void check_refusals(struct doctor *doctor, const char *name, const struct config_token *token,
        const struct module_report *report)
{
        for (size_t i = 0; i < report->refusals.n; i++) {
                const struct refusal *refusal = &report->refusals.items[i];
                _cleanup_(freep) char *remedy = NULL;
                const char *what = "";

                switch (refusal->kind) {
                case REFUSAL_PATH:
                        what = refusal->what;
                        remedy = reach_remedy(doctor, refusal->what, refusal->want, refusal->error, false);
                        break;
                case REFUSAL_NETWORK:
                        what = *refusal->what ? refusal->what : "the network";
                        remedy = network_remedy(doctor, refusal->what);
                        break;
                case REFUSAL_IPC:
                        what = "shared memory of System V";
                        remedy = doctor->unit ? remedy_drop_in("ipc", "PrivateIPC=no") : NULL;
                        break;
                case REFUSAL_CODE:
                        what = "memory that is written and run";
                        remedy = doctor->unit ? remedy_drop_in("code", "MemoryDenyWriteExecute=no") : NULL;
                        break;
                }
                if (findings_tell(&doctor->findings, token->name, what, remedy))
                        continue;
                doubtful(doctor, token->name, name, "what the module needs, if it is meant to have it",
                        remedy, "the module was refused %s: %s (%s)", what, strerrorname_np(-refusal->error),
                        strerror(-refusal->error));
        }
}

void check_module(struct doctor *doctor, const char *name, const struct config_token *token)
{
        _cleanup_(freep) struct module_report *report = calloc(1, sizeof(*report));
        _cleanup_(freep) char *pin = doctor->login ? pin_place(token) : NULL;
        const struct module_slot *slot = NULL;
        int r;

        if (strcmp(token->module, "internal") == 0)
                return;
        r = report ? module_watch(token, pin, report) : -ENOMEM;
        if (r < 0) {
                bad(doctor, token->name, name, EXPECT_MODULE, NULL, "no process for it could be started: %s",
                        strerror(-r));
                return;
        }
        if (check_end(doctor, name, token, report))
                slot = check_one(doctor, name, token, report);
        if (slot) {
                good(doctor, token->name, name, "%s (%s) shows the token \"%s\" (slot %ju, serial %s): %s",
                        token->module, *report->library ? report->library : "no description", slot->label,
                        (uintmax_t)slot->number, *slot->serial ? slot->serial : "none",
                        login_state(slot->flags));
                check_state(doctor, name, token, slot);
        }
        check_login(doctor, name, token, report);
        if (!slot || findings_have_error(&doctor->findings, token->name, name))
                check_refusals(doctor, name, token, report);
}
