/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend-doctor: tries what the configuration says, and says what will not work, and what mends it. Started by `tokendctl doctor` and
 * by `tokend --check --try`. It is three programs in one: the front, which asks systemd and the daemon and prints; the inside, which
 * runs as the service's user, in the unit's sandbox where there is one; and the child that loads one module. A vendor's module is
 * hostile: it is loaded in that child alone.
 */
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>

#include "daemon/doctor/ask-systemd.h"
#include "daemon/doctor/checks.h"
#include "daemon/doctor/inside.h"
#include "daemon/doctor/module-child.h"
#include "daemon/util/text.h"

struct doctor_options {
        const char *config, *status_socket, *user, *token;
        const char *module, *uri, *pin;
        bool json, login, inside, unit, help;
};

static bool parse_options(int argc, char *argv[], struct doctor_options *ret)
{
        static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                {"json", no_argument, NULL, 'j'}, {"login", no_argument, NULL, 'l'},
                {"user", required_argument, NULL, 'u'}, {"status-socket", required_argument, NULL, 's'},
                {"help", no_argument, NULL, 'h'}, {"inside", no_argument, NULL, 'i'},
                {"unit", no_argument, NULL, 'n'}, {"module", required_argument, NULL, 'm'},
                {"uri", required_argument, NULL, 'r'}, {"pin", required_argument, NULL, 'p'}, {0}};
        const char **texts[] = {['c'] = &ret->config,
                ['u'] = &ret->user,
                ['s'] = &ret->status_socket,
                ['m'] = &ret->module,
                ['r'] = &ret->uri,
                ['p'] = &ret->pin};
        bool *switches[] = {['j'] = &ret->json,
                ['l'] = &ret->login,
                ['h'] = &ret->help,
                ['i'] = &ret->inside,
                ['n'] = &ret->unit};
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == '?')
                        return false;
                if (optarg)
                        *texts[option] = optarg;
                else
                        *switches[option] = true;
        }
        if (optind < argc)
                ret->token = argv[optind++];
        return optind == argc;
}

static void usage(FILE *to)
{
        fputs("tokend-doctor [--config FILE] [--login] [--json] [--user USER] [--status-socket PATH] "
              "[TOKEN]\n"
              "Tries what the configuration of tokend says. The checks are:\n\n",
                to);
        checks_print(to);
        fputs("\nExit status: 0 all is well; 1 there are warnings or errors; 78 the configuration has "
              "faults. See tokendctl(1).\n",
                to);
}

/* ---- which user the service has, without its unit ---- */

/* The user whose process listens on the status socket. false: nobody does. */
static bool user_of_daemon(const char *path, uid_t *ret)
{
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
                return false;
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        *ret = peer.uid;
        return true;
}

/* For root without the unit: the user of the daemon that runs, else `tokend`. NULL: this process's, or there is none of them. */
static const struct passwd *find_user(const struct doctor *doctor, const struct doctor_options *options)
{
        const struct passwd *user;
        uid_t uid = 0;

        if (options->user)
                user = getpwnam(options->user);
        else if (!systemd_is_there() && user_of_daemon(doctor->status_socket, &uid))
                user = getpwuid(uid);
        else
                user = getpwnam("tokend");
        return geteuid() == 0 && user && user->pw_uid != 0 ? user : NULL;
}

/* As whom all is tried. -ENOMEM. */
static int set_user(struct doctor *doctor, const struct passwd *user)
{
        const struct group *group;

        if (!user)
                return doctor_own_user(doctor);
        doctor->user = strdup(user->pw_name);
        group = getgrgid(user->pw_gid);
        doctor->group = strdup(group ? group->gr_name : user->pw_name);
        return doctor->user && doctor->group ? 0 : -ENOMEM;
}

/* ---- the front ---- */

static void add_fault(void *userdata, const char *line)
{
        struct doctor *doctor = userdata;

        bool refused = geteuid() != 0 && strstr(line, strerror(EACCES));

        bad(doctor, NULL, "configuration", "files without a fault",
                refused ? "run it as root" : "mend that line; tokend.conf(5) explains each key", "%s", line);
}

static bool has_unit(void)
{
        _cleanup_(freep) char *lines = systemd_is_there() ? systemd_show(TOKEND_UNIT, "LoadState") : NULL,
                              *state = lines ? systemd_value(lines, "LoadState") : NULL;

        return geteuid() == 0 && state && strcmp(state, "loaded") == 0;
}

static int print(struct doctor *doctor, const struct doctor_options *options, int status)
{
        if (doctor->findings.failed)
                fputs("tokend-doctor: memory was short: the findings are not complete\n", stderr);
        (options->json ? findings_print_json : findings_print)(&doctor->findings, stdout);
        return fflush(stdout) == 0 && !ferror(stdout) ? status : EXIT_FAILURE;
}

static int set_unit(struct doctor *doctor)
{
        _cleanup_(freep) char *lines = systemd_show(TOKEND_UNIT, "User,Group");

        doctor->user = lines ? systemd_value(lines, "User") : NULL;
        doctor->group = lines ? systemd_value(lines, "Group") : NULL;
        return doctor->user && doctor->group ? 0 : -ENOMEM;
}

/* As tokendctl finds it, but where the files say another. */
static const char *find_socket(const struct doctor *doctor, const struct doctor_options *options)
{
        const char *path = options->status_socket ? options->status_socket : getenv("TOKEND_STATUS_SOCKET");

        if (path && *path)
                return path;
        return has_unit() ? DEFAULT_STATUS_SOCKET : doctor->config->status_socket;
}

static void examine(struct doctor *doctor, const struct doctor_options *options)
{
        const struct passwd *user;

        doctor->status_socket = find_socket(doctor, options);
        user = find_user(doctor, options);
        doctor->unit = !options->user && has_unit();
        if ((doctor->unit ? set_unit(doctor) : set_user(doctor, user)) < 0) {
                doctor->findings.failed = true;
                return;
        }
        checks_run(doctor, CHECK_FRONT);
        inside_run(doctor, user ? doctor->user : NULL);
}

static int front(const struct doctor_options *options)
{
        struct doctor doctor = {
                .config_path = options->config, .only = options->token, .login = options->login};
        struct config *config = NULL;
        int r = config_load(options->config, add_fault, &doctor, &config), status = EX_CONFIG;

        doctor.config = config;
        if (options->user && !getpwnam(options->user)) {
                fprintf(stderr, "tokend-doctor: there is no user of that name\n");
                config_free(config);
                return EXIT_FAILURE;
        }
        if (r == 0 && options->token && !config_token(config, options->token)) {
                bad(&doctor, options->token, "configuration", "a token of tokend.conf", NULL,
                        "there is no [Token %s]", options->token);
                status = EXIT_FAILURE;
        } else if (r == 0) {
                examine(&doctor, options);
                status = findings_status(&doctor.findings);
        }
        status = print(&doctor, options, status);
        config_free(config);
        doctor_done(&doctor);
        return status;
}

/* ---- the inside ---- */

static int inside(const struct doctor_options *options)
{
        struct doctor doctor = {.config_path = options->config,
                .only = options->token,
                .login = options->login,
                .unit = options->unit};
        struct config *config = NULL;

        if (doctor_own_user(&doctor) < 0)
                return EXIT_FAILURE;
        if (config_from_memfd(STDIN_FILENO, &config) < 0)
                return EXIT_FAILURE;
        doctor.config = config;
        checks_run(&doctor, CHECK_INSIDE);
        findings_write(&doctor.findings, stdout);
        config_free(config);
        doctor_done(&doctor);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
        struct doctor_options options = {.config = DEFAULT_CONFIG};

        if (!parse_options(argc, argv, &options)) {
                usage(stderr);
                return EXIT_FAILURE;
        }
        if (options.help) {
                usage(stdout);
                return EXIT_SUCCESS;
        }
        /* Without what the module leaves to be done at the end. */
        if (options.module)
                _exit(module_child(options.module, options.uri && *options.uri ? options.uri : NULL,
                        options.pin && *options.pin ? options.pin : NULL));
        return options.inside ? inside(&options) : front(&options);
}
