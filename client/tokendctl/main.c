/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl: which verb the command line names. Everything the program knows of the daemon it knows from libtokend. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/complete.h"
#include "client/tokendctl/help.h"
#include "client/tokendctl/options.h"
#include "client/tokendctl/verbs.h"

static int run_verb(const char *name, uint64_t given, const struct ctl_options *o)
{
        const struct verb *verb = verb_find(name);

        if (!verb)
                return verb_unknown(name);
        if (o->help)
                return help_verb(verb);
        given &= ~(verb->options | OPTIONS_COMMON);
        if (given)
                return usage("%s does not take --%s", verb->name, options_name(given));
        if (o->n_arguments < verb->min_arguments || o->n_arguments > verb->max_arguments)
                return usage("usage: tokendctl %s %s", verb->name, verb->synopsis);
        return verb->run(o);
}

/* If a standard descriptor is closed, the next file or socket to be opened gets its number: output would go to the daemon.
 * So each of them is opened here on /dev/null, in the direction in which it is not used: its use fails. */
static int keep_standard_descriptors(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 &&
                        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                        return -EIO;
        return 0;
}

static int run(int argc, char **argv, struct ctl_options *o)
{
        uint64_t given;
        int r = options_parse(argc, argv, o, &given);

        if (r != EXIT_DONE)
                return r;
        if (o->version) {
                printf("tokendctl %s\n", TOKEND_VERSION);
                return EXIT_DONE;
        }
        if (o->help && optind >= argc)
                return help_all();
        if (optind >= argc)
                return usage("no verb is given; tokendctl --help lists the verbs");
        o->arguments = argv + optind + 1;
        o->n_arguments = (unsigned)(argc - optind - 1);
        if (strcmp(argv[optind], "help") == 0)
                return help(o);
        if (strcmp(argv[optind], "complete") == 0)
                return complete(o);
        return run_verb(argv[optind], given, o);
}

/* A failure of the program's own, which has a sentence on standard error, is an object too. */
static void print_own_error(int status)
{
        if (status == EXIT_USAGE)
                printf("{\"error\":\"Usage\",\"parameters\":{},\"message\":\"the command line is wrong; "
                       "standard error says how\",\"next\":\"`tokendctl help VERB` says what the verb "
                       "takes.\"}\n");
        if (status == EXIT_UNREACHABLE)
                printf("{\"error\":\"LocalFailure\",\"parameters\":{},\"message\":\"tokendctl could not do "
                       "its own "
                       "part; standard error says why\",\"next\":\"Mend what standard error says of files, "
                       "memory or standard output, and look whether it was done before you do it "
                       "again.\"}\n");
}

int main(int argc, char **argv)
{
        struct ctl_options o = {0};
        int r;

        if (keep_standard_descriptors() < 0)
                return EXIT_UNREACHABLE;
        /* The width of characters must not depend on the user's locale: names are UTF-8. */
        setlocale(LC_CTYPE, "C.UTF-8");
        r = run(argc, argv, &o);
        /* What the daemon refused is an object already. */
        if (o.json && __fpending(stdout) == 0)
                print_own_error(r);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                complain("standard output: %s", strerror(errno));
                return r != EXIT_DONE ? r : EXIT_UNREACHABLE;
        }
        return r;
}
