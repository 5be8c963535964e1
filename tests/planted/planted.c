/* SPDX-License-Identifier: MPL-2.0 */
/* See planted.h. Without arguments it is a broker; with --list it prints the attempts, and how each ends. */
#include "tests/planted/planted.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "daemon/broker/net/listener.h"
#include "daemon/util/log.h"

/* The supervisor waits before it starts another broker if several in a row lived for less than a second. */
#define LIFE_MSEC 1100

static const struct attempts *const all[] = {&attempts_call, &attempts_deadly, &attempts_message};
static const char *const end_names[] = {
        [END_NONE] = "none", [END_SIGSYS] = "sigsys", [END_KILLED] = "killed", [END_ANY] = "any"};

/* What this process is to try. The file `planted` beside the program has a line of pids and paths, and behind it the names of attempts. The
 * first of them is this process's; the others stay there for those that come after it. */
static struct targets targets;
static const struct attempt *chosen;

static const struct attempt *attempt_of(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                for (size_t j = 0; j < all[i]->n; j++)
                        if (strcmp(all[i]->list[j].name, name) == 0)
                                return &all[i]->list[j];
        return NULL;
}

/* Reads the orders, and leaves those for the others. */
static void take_orders(FILE *file)
{
        char first[1024], name[64], rest[4096];
        size_t n;

        if (!fgets(first, sizeof(first), file) || fscanf(file, "%63s", name) != 1)
                return;
        n = fread(rest, 1, sizeof(rest), file);
        if (sscanf(first, "%d %d %d %d %255s %255s %255s", &targets.supervisor, &targets.worker,
                    &targets.audit, &targets.client, targets.pin, targets.store, targets.audit_file) == 7)
                chosen = attempt_of(name);
        rewind(file);
        if (ftruncate(fileno(file), 0) == 0) {
                fputs(first, file);
                fwrite(rest, 1, n, file);
        }
}

static __attribute__((constructor)) void plant(void)
{
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
        FILE *file;

        if (n < 0)
                return;
        path[n] = '\0';
        strcpy(strrchr(path, '/') + 1, "planted");
        file = fopen(path, "r+e");
        if (!file)
                return;
        take_orders(file);
        fclose(file);
}

void must_refuse(const char *what, long r)
{
        if (r >= 0 || errno != EPERM)
                log_error("planted: NOT REFUSED: %s: %ld, %s", what, r, r < 0 ? strerror(errno) : "done");
}

/* Calls of listener_start() come here (the linker's --wrap): it is the first after the filter. */
int __real_listener_start(struct broker *broker);
int __wrap_listener_start(struct broker *broker);
int __wrap_listener_start(struct broker *broker)
{
        const struct planted planted = {.broker = broker, .targets = targets};
        int r = __real_listener_start(broker);

        if (r < 0 || !chosen)
                return r;
        (void)poll(NULL, 0, LIFE_MSEC);
        log_notice("planted: %s begins", chosen->name);
        chosen->run(&planted, chosen->argument);
        log_notice("planted: %s is over", chosen->name);
        /* For the next. */
        _exit(EXIT_SUCCESS);
}

static void print(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                for (size_t j = 0; j < all[i]->n; j++)
                        printf("%s %s\n", all[i]->list[j].name, end_names[all[i]->list[j].end]);
}

int __real_main(int argc, char *argv[]);
int __wrap_main(int argc, char *argv[]);
int __wrap_main(int argc, char *argv[])
{
        if (argc == 2 && strcmp(argv[1], "--list") == 0) {
                print();
                return 0;
        }
        return __real_main(argc, argv);
}
