/* SPDX-License-Identifier: MPL-2.0 */
/* tokend, the program that an operator or systemd starts: options, the first reading of the configuration, exit status. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/journal.h"
#include "daemon/util/log.h"
#include "daemon/util/printable.h"
#include "daemon/util/program-path.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

#define DEFAULT_CONFIG "/etc/tokend/tokend.conf"

struct arguments {
        const char *config;
        bool check, try;
};

static void usage(FILE *out)
{
        fputs("tokend [--config FILE] [--check [--try]]\n"
              "Holds the sessions of this host's PKCS #11 tokens and lets its subsystems share them.\n\n"
              "  --config FILE  what to read, then FILE.d/*.conf (" DEFAULT_CONFIG ")\n"
              "  --check        read it, report its faults, and exit\n"
              "  --try          with --check: try what it says too, as tokendctl doctor does\n"
              "  --version      print the version\n"
              "  --help         print this\n\n"
              "Exit status: 0; 78 if the configuration has faults; 1 for other errors. See tokend(8), "
              "tokend.conf(5).\n",
                out);
}

/* One line on standard error, which may be a terminal: the text is of the command line or of a file. */
static void say(const char *head, const char *text)
{
        _cleanup_(freep) char *shown = printable_new(text);

        fprintf(stderr, "%s%s\n", head, shown ? shown : "no memory");
}

/* 1: --version or --help was answered. -EINVAL: the usage is to be shown. */
static int parse_options(int argc, char *argv[], struct arguments *ret)
{
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},
                {"check", no_argument, NULL, 'k'},
                {"try", no_argument, NULL, 't'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        int option;

        opterr = 0;
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'k':
                        ret->check = true;
                        break;
                case 't':
                        ret->try = true;
                        break;
                case 'v':
                        puts("tokend " TOKEND_VERSION);
                        return 1;
                case 'h':
                        usage(stdout);
                        return 1;
                default:
                        say("tokend: an option is not known, or lacks its argument: ",
                                argv[MAX_OF(optind - 1, 1)]);
                        return -EINVAL;
                }
        }
        if (optind < argc) {
                say("tokend: unexpected argument ", argv[optind]);
                return -EINVAL;
        }
        if (ret->try && !ret->check) {
                say("tokend: --try needs --check", "");
                return -EINVAL;
        }
        return 0;
}

/* Becomes the program that tries what the configuration says. Returns an exit status if that cannot be. */
static int try_all(const char *config)
{
        const char *argv[] = {"tokend-doctor", "--config", config, NULL};
        _cleanup_(freep) char *path = NULL;
        int r = program_path(argv[0], &path);

        if (r == 0) {
                (void)execv(path, (char *const *)(uintptr_t)argv);
                r = -errno;
        }
        log_error("tokend-doctor cannot be started: %s", strerror(-r));
        return EXIT_FAILURE;
}

/* One line for each fault. Under systemd it goes to the journal with its priority, else as it is to a terminal or a program. */
static void report(void *userdata, const char *line)
{
        if (getenv("JOURNAL_STREAM"))
                log_error("%s", line);
        else
                say("", line);
}

/* Each of 0 to 2 that is closed becomes /dev/null. Otherwise the next file that is opened would get that number, and each child has
 * our standard error as its 1 and 2. systemd's sockets begin at 3. */
static int fill_standard(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
                        return -errno;
        return 0;
}

int main(int argc, char *argv[])
{
        struct arguments options = {.config = DEFAULT_CONFIG};
        struct config *config = NULL;
        int config_fd = -1, r;

        if (fill_standard() < 0)
                return EXIT_FAILURE;
        log_open("tokend");
        r = parse_options(argc, argv, &options);
        if (r < 0)
                usage(stderr);
        if (r != 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (options.try)
                return try_all(options.config);
        /* From here on a signal waits until the event loop takes it: an early SIGTERM stops us in the same way as a later one. */
        if (!options.check)
                supervisor_block_signals();
        r = (options.check ? config_check : config_load)(options.config, report, NULL, &config);
        if (r == -ENOMEM) {
                log_error("out of memory");
                return EXIT_FAILURE;
        }
        if (r != 0)
                return EX_CONFIG;
        if (options.check) {
                config_free(config);
                return EXIT_SUCCESS;
        }
        r = config_to_memfd(config, &config_fd);
        if (r < 0) {
                log_error("the configuration cannot be copied into a memfd: %s", strerror(-r));
                config_free(config);
                return EXIT_FAILURE;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        log_open_journal(JOURNAL_SOCKET);
        return supervisor_run(options.config, config, config_fd);
}
