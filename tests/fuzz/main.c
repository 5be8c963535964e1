/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Replays a corpus without a fuzzer: each file of the directory, each cut of it, and each byte of it changed.
 * A file is a test. A child does them, so that what a sanitizer ends is one failure; another one goes on behind it. Called by
 * tests/run.
 */
#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "daemon/util/macros.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX 65536U
/* Of a longer file not every cut and every byte: as many runs as this, evenly. */
#define VARIANTS_MAX 384U

static int by_name(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

/* In a block of just its size: what is read beyond is seen. */
static void run(const uint8_t *data, size_t size)
{
        _cleanup_(freep) uint8_t *copy = malloc(size);

        CHECK(copy || size == 0);
        if (size > 0)
                memcpy(copy, data, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
}

static void run_all(uint8_t *data, size_t size)
{
        size_t step = size / VARIANTS_MAX + 1;

        run(data, size);
        for (size_t i = 0; i < size; i += step) {
                uint8_t byte = data[i];

                run(data, i);
                data[i] = byte ^ (uint8_t)(1U << i % 8);
                run(data, size);
                data[i] = i % 2 ? 0xff : 0;
                run(data, size);
                data[i] = byte;
        }
}

static void replay(const char *directory, const char *name)
{
        static uint8_t data[FILE_MAX];
        char path[4096];
        FILE *file;
        size_t size;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        file = fopen(path, "re");
        CHECK(file);
        size = fread(data, 1, sizeof(data), file);
        CHECK(size > 0 && size < sizeof(data) && !ferror(file));
        fclose(file);
        run_all(data, size);
}

/* From *at on, in a child, which leaves *at (shared) where it is. false: it ended there, or lost memory on the way. */
static bool replay_from(unsigned *at, unsigned n, const char *directory, struct dirent **names)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                for (; *at < n; ++*at)
                        replay(directory, names[*at]->d_name);
                exit(EXIT_SUCCESS);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        return status == 0;
}

static unsigned replay_all(unsigned n, const char *directory, struct dirent **names)
{
        unsigned *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned failed = 0;

        CHECK(at != MAP_FAILED);
        while (*at < n && !replay_from(at, n, directory, names)) {
                failed++;
                printf("FAILED %s/%s\n", directory, *at < n ? names[*at]->d_name : "*: memory is lost");
                fflush(stdout);
                ++*at;
        }
        munmap(at, sizeof(*at));
        return failed;
}

int main(int argc, char **argv)
{
        struct dirent **names;
        unsigned failed;
        int n = argc == 2 ? scandir(argv[1], &names, by_name, alphasort) : -1;

        if (n <= 0) {
                fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
                return EXIT_FAILURE;
        }
        failed = replay_all((unsigned)n, argv[1], names);
        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
        printf("%u passed, %u failed\n", (unsigned)n > failed ? (unsigned)n - failed : 0, failed);
        return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
