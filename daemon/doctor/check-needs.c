/* SPDX-License-Identifier: MPL-2.0 */
/* What the modules that are known by their names need of the system. tokend-devices(7) has the same for operators. */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/doctor/checks.h"
#include "daemon/doctor/reach.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

/* The value that the worker will see; NULL: none. */
static const char *variable(const struct config_token *token, const char *name)
{
        size_t n = strlen(name);
        const char *found = getenv(name);

        for (char **entry = token->environment; *entry; entry++)
                if (strncmp(*entry, name, n) == 0 && (*entry)[n] == '=')
                        found = *entry + n + 1;
        return found;
}

/* ---- SoftHSM2 ---- */

static const char *softhsm_conf(const struct config_token *token)
{
        const char *conf = variable(token, "SOFTHSM2_CONF");

        if (conf)
                return conf;
        return access("/etc/softhsm2.conf", F_OK) == 0 ? "/etc/softhsm2.conf" : "/etc/softhsm/softhsm2.conf";
}

/* The value of a key of softhsm2.conf. The caller frees; NULL: not there. */
static char *softhsm_value(const char *path, const char *key)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        _cleanup_(freep) char *text = NULL;
        size_t length, n = strlen(key);
        char *at, *line, *found = NULL;

        if (fd < 0 || text_read(fd, LIMIT_CONFIG, &text, &length) < 0)
                return NULL;
        at = text;
        while (!found && (line = strsep(&at, "\n"))) {
                line += strspn(line, " \t");
                if (strncmp(line, key, n) != 0)
                        continue;
                line += n + strspn(line + n, " \t");
                if (*line != '=')
                        continue;
                line += 1 + strspn(line + 1, " \t");
                line[strcspn(line, " \t\r#")] = '\0';
                /* The trailing slash of Debian's file would be doubled in all that follows. */
                for (n = strlen(line); n > 1 && line[n - 1] == '/'; n--)
                        line[n - 1] = '\0';
                found = strdup(line);
        }
        return found;
}

/* Each token is a directory. One of another program's is no fault of ours, but neither can it be told which one is meant. */
static void softhsm_tokens(
        struct doctor *doctor, const char *name, const struct config_token *token, const char *path)
{
        DIR *directory = opendir(path);
        const struct dirent *entry;

        while (directory && (entry = readdir(directory))) {
                _cleanup_(freep) char *one = text_format("%s/%s", path, entry->d_name);
                struct stat st;

                if (entry->d_name[0] == '.' || !one || stat(one, &st) < 0 || !S_ISDIR(st.st_mode))
                        continue;
                if (reach(doctor, token->name, name, "the directory of a SoftHSM2 token", one,
                            R_OK | W_OK | X_OK, false)) {
                        _cleanup_(freep) char *object = text_format("%s/token.object", one);

                        if (object)
                                (void)reach(doctor, token->name, name, "a file of a SoftHSM2 token", object,
                                        R_OK | W_OK, true);
                }
        }
        if (directory)
                (void)closedir(directory);
}

static void softhsm(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const char *conf = softhsm_conf(token);
        _cleanup_(freep) char *tokens = NULL;

        if (!conf)
                conf = access("/etc/softhsm2.conf", F_OK) == 0 ? "/etc/softhsm2.conf"
                                                               : "/etc/softhsm/softhsm2.conf";
        if (!reach(doctor, token->name, name, "SoftHSM2's configuration", conf, R_OK, false))
                return;
        tokens = softhsm_value(conf, "directories.tokendir");
        if (!tokens) {
                bad(doctor, token->name, name, "a line directories.tokendir = DIRECTORY",
                        "SOFTHSM2_CONF= in Environment= of the section must name SoftHSM2's configuration",
                        "%s has no directories.tokendir", conf);
                return;
        }
        if (reach(doctor, token->name, name, "the token directory of SoftHSM2", tokens, R_OK | W_OK | X_OK,
                    false))
                softhsm_tokens(doctor, name, token, tokens);
}

/* ---- the others ---- */

/* Whether this process has the group, or would have it as root. */
static bool has_group(const struct group *group)
{
        gid_t groups[256];
        int n = getgroups((int)ARRAY_SIZE(groups), groups);

        if (geteuid() == 0 || getegid() == group->gr_gid)
                return true;
        for (int i = 0; i < n; i++)
                if (groups[i] == group->gr_gid)
                        return true;
        return false;
}

/* The message bus of tpm2-abrmd lets members of tss alone speak to it. */
static void tpm2_broker(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const struct group *group = getgrnam("tss");
        _cleanup_(freep) char *remedy = NULL;

        if (!group || has_group(group))
                return;
        remedy = doctor->unit ? remedy_drop_in("group-tss", "SupplementaryGroups=tss")
                              : text_format("usermod --append --groups tss %s", doctor->user);
        bad(doctor, token->name, name, "the group tss, to which tpm2-abrmd answers", remedy,
                "the user %s is not in the group tss", doctor->user);
}

static void tpm2(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const char *tcti = variable(token, "TPM2_PKCS11_TCTI"), *store = variable(token, "TPM2_PKCS11_STORE");

        if (!tcti || strncmp(tcti, "device", strlen("device")) == 0) {
                const char *device = tcti ? strchr(tcti, ':') : NULL;

                (void)reach(doctor, token->name, name, "the TPM", device ? device + 1 : "/dev/tpmrm0",
                        R_OK | W_OK, false);
        } else if (strncmp(tcti, "tabrmd", strlen("tabrmd")) == 0)
                tpm2_broker(doctor, name, token);
        if (store)
                (void)reach(doctor, token->name, name, "the store of tpm2-pkcs11", store, R_OK | W_OK | X_OK,
                        false);
        else if (access("/etc/tpm2_pkcs11", R_OK | W_OK | X_OK) < 0)
                bad(doctor, token->name, name,
                        "TPM2_PKCS11_STORE= with a directory that the service can write",
                        "write into the section: Environment=TPM2_PKCS11_STORE=/var/lib/tokend/tpm2",
                        "TPM2_PKCS11_STORE is not set, and the service has no home directory in which a "
                        "store would be made");
}

/* Its library looks for the name of the user in the group's entry: a supplementary group of the process does not count. */
static void opencryptoki_group(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const struct group *group = getgrnam("pkcs11");
        _cleanup_(freep) char *remedy = text_format("usermod --append --groups pkcs11 %s%s", doctor->user,
                doctor->unit ? " && systemctl try-restart " TOKEND_UNIT : "");

        if (geteuid() == 0)
                return;
        for (char **member = group ? group->gr_mem : NULL; member && *member; member++)
                if (strcmp(*member, doctor->user) == 0)
                        return;
        bad(doctor, token->name, name, "the user as a member of the group pkcs11", remedy,
                "%s lacks in the group pkcs11, and opencryptoki's library refuses it then", doctor->user);
}

static void opencryptoki(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const char *sockets[] = {"/run/opencryptoki/pkcsslotd.socket", "/run/pkcsslotd.socket"};
        const char *socket = access(sockets[0], F_OK) == 0 ? sockets[0] : sockets[1];

        if (access(socket, F_OK) < 0 && errno == ENOENT) {
                bad(doctor, token->name, name, "pkcsslotd, which holds the slots of opencryptoki",
                        "systemctl enable --now pkcsslotd.service", "%s is not there: pkcsslotd does not run",
                        socket);
                return;
        }
        opencryptoki_group(doctor, name, token);
        (void)reach(doctor, token->name, name, "the socket of pkcsslotd", socket, R_OK | W_OK, false);
        (void)reach(doctor, token->name, name, "the directory of opencryptoki's tokens",
                "/var/lib/opencryptoki", R_OK | W_OK | X_OK, true);
        (void)reach(doctor, token->name, name, "the directory of opencryptoki's locks",
                "/run/lock/opencryptoki", R_OK | W_OK | X_OK, true);
}

static void p11_kit(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const char *address = variable(token, "P11_KIT_SERVER_ADDRESS"),
                   *path = address ? strstr(address, "path=") : NULL;

        if (!path)
                bad(doctor, token->name, name, "P11_KIT_SERVER_ADDRESS=unix:path=SOCKET",
                        "write into the section: "
                        "Environment=P11_KIT_SERVER_ADDRESS=unix:path=/run/p11-kit/pkcs11",
                        "P11_KIT_SERVER_ADDRESS is %s", address ? address : "not set");
        else
                (void)reach(doctor, token->name, name, "the socket of p11-kit server", path + strlen("path="),
                        R_OK | W_OK, false);
}

static void smart_card(struct doctor *doctor, const char *name, const struct config_token *token)
{
        if (access("/run/pcscd/pcscd.comm", F_OK) < 0 && errno == ENOENT)
                bad(doctor, token->name, name, "pcscd, which has the readers",
                        "apt-get install pcscd && systemctl enable --now pcscd.socket",
                        "/run/pcscd/pcscd.comm is not there: pcscd does not run");
        else
                (void)reach(doctor, token->name, name, "the socket of pcscd", "/run/pcscd/pcscd.comm",
                        R_OK | W_OK, false);
}

char *needs_new_token(const struct doctor *doctor, const struct config_token *token, const char *label)
{
        const char *conf = softhsm_conf(token), *slash = strrchr(token->module, '/');
        const struct group *group;
        struct stat st;

        if (!slash || !strstr(slash, "softhsm") || stat(conf, &st) < 0 || !remedy_is_plain(conf) ||
                !remedy_is_plain(label))
                return NULL;
        group = getgrgid(st.st_gid);
        if (!group || (st.st_mode & S_IROTH))
                return text_format(
                        "runuser -u %s -- env SOFTHSM2_CONF=%s softhsm2-util --init-token --free --label %s",
                        doctor->user, conf, label);
        return text_format(
                "runuser -u %s -G %s -- env SOFTHSM2_CONF=%s softhsm2-util --init-token --free --label %s",
                doctor->user, group->gr_name, conf, label);
}

static const struct known_module {
        const char *part; /* of the name of the module's file */
        void (*check)(struct doctor *doctor, const char *name, const struct config_token *token);
} known_modules[] = {
        {"softhsm", softhsm},
        {"tpm2_pkcs11", tpm2},
        {"opencryptoki", opencryptoki},
        {"PKCS11_API", opencryptoki},
        {"p11-kit-client", p11_kit},
        {"opensc-pkcs11", smart_card},
};

void check_needs(struct doctor *doctor, const char *name, const struct config_token *token)
{
        const char *slash = strrchr(token->module, '/');
        size_t before = doctor->findings.n;

        for (size_t i = 0; slash && access(token->module, F_OK) == 0 && i < ARRAY_SIZE(known_modules); i++)
                if (strstr(slash, known_modules[i].part)) {
                        known_modules[i].check(doctor, name, token);
                        if (doctor->findings.n == before)
                                good(doctor, token->name, name, "the user %s can reach what %s needs",
                                        doctor->user, slash + 1);
                        return;
                }
}
