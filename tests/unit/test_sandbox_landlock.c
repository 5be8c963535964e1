/* SPDX-License-Identifier: MPL-2.0 */
/*
 * daemon/sandbox/landlock: what is given up and what is kept, with each version of Landlock that the kernel can play. Each in a child, as
 * another user where that can be: root may do what the service's user may not.
 */
#include "daemon/sandbox/landlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/util/macros.h"
#include "tests/unit/suite.h"

/* The first version with signals and abstract sockets, with TCP, and with truncation among its rights. */
enum {
        SCOPES = 6,
        TCP = 4,
        TRUNCATES = 3
};

static int played = -1;

int __real_landlock_version(void);
int __wrap_landlock_version(void);
int __wrap_landlock_version(void)
{
        return played >= 0 ? played : __real_landlock_version();
}

/* A directory with a file and another directory, both there before; and a process outside. */
struct ground {
        char path[64], file[80], below[80];
        pid_t other;
};

/* In the child: 0, or the line of what was not as it should be. */
#define EXPECT(condition)                                                                                    \
        do {                                                                                                 \
                if (!(condition))                                                                            \
                        return __LINE__;                                                                     \
        } while (0)
#define FAILS(call, code) EXPECT((errno = 0, (call) < 0 && errno == (code)))

/* The service's user, whom nothing but Landlock keeps from others of that user. */
static void become(void)
{
        (void)!setuid(65534);
        prctl(PR_SET_DUMPABLE, 1);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void ground_make(struct ground *ground)
{
        int fd, ready[2];
        char byte;

        strcpy(ground->path, "/tmp/tokend-landlock-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(ground->path));
        snprintf(ground->file, sizeof(ground->file), "%s/file", ground->path);
        snprintf(ground->below, sizeof(ground->below), "%s/below", ground->path);
        CU_ASSERT_EQUAL(mkdir(ground->below, 0777), 0);
        fd = open(ground->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        CU_ASSERT_FATAL(fd >= 0);
        close(fd);
        CU_ASSERT_EQUAL(
                chmod(ground->path, 0777) + chmod(ground->file, 0666) + chmod(ground->below, 0777), 0);
        CU_ASSERT_EQUAL_FATAL(pipe2(ready, O_CLOEXEC), 0);
        ground->other = fork();
        CU_ASSERT_FATAL(ground->other >= 0);
        if (ground->other == 0) {
                become();
                (void)!write(ready[1], "", 1);
                for (;;)
                        pause();
        }
        CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
}

static void ground_remove(const struct ground *ground)
{
        char command[128];

        CU_ASSERT_EQUAL(kill(ground->other, SIGKILL), 0);
        CU_ASSERT_EQUAL(waitpid(ground->other, NULL, 0), ground->other);
        snprintf(command, sizeof(command), "rm -r %s", ground->path);
        CU_ASSERT_EQUAL(system(command), 0);
}

/* With each version up to the kernel's. */
static void for_versions(int first, int (*function)(const struct ground *, int version))
{
        for (int version = first; version <= __real_landlock_version(); version++) {
                struct ground ground;
                int status;
                pid_t child;

                ground_make(&ground);
                child = fork();
                CU_ASSERT_FATAL(child >= 0);
                if (child == 0) {
                        played = version;
                        become();
                        _exit(function(&ground, version) % 255);
                }
                CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
                CU_ASSERT_EQUAL(status, 0);
                if (status != 0)
                        printf("version %d: status %d, line %d\n", version, status, WEXITSTATUS(status));
                ground_remove(&ground);
        }
}

/* Whoever is outside is not traced, and from version 6 on gets no signal. */
static int others(const struct ground *ground, int version)
{
        FAILS(ptrace(PTRACE_ATTACH, ground->other, NULL, NULL), EPERM);
        if (version >= SCOPES)
                FAILS(kill(ground->other, 0), EPERM);
        else
                EXPECT(kill(ground->other, 0) == 0);
        EXPECT(kill(getpid(), 0) == 0);
        return 0;
}

static int domain(const struct ground *ground, int version)
{
        char moved[128];
        int fd;
        pid_t child;

        EXPECT(landlock_domain() == 0);
        EXPECT(others(ground, version) == 0);
        /* Its own child is inside. */
        child = fork();
        EXPECT(child >= 0);
        if (child == 0)
                for (;;)
                        pause();
        EXPECT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        /* Files are as they were. */
        fd = open(ground->file, O_RDWR | O_TRUNC | O_CLOEXEC);
        EXPECT(fd >= 0);
        snprintf(moved, sizeof(moved), "%s/moved", ground->below);
        EXPECT(rename(ground->file, moved) == 0);
        EXPECT(link(moved, ground->file) == 0);
        return 0;
}

static int nothing(const struct ground *ground, int version)
{
        const struct sockaddr_in address = {
                .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(0x7f000001)};
        int kept = open(ground->file, O_RDWR | O_CLOEXEC), fd;

        EXPECT(kept >= 0);
        EXPECT(landlock_nothing() == 0);
        EXPECT(others(ground, version) == 0);
        FAILS(open(ground->file, O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(open("/proc/self/mem", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(open(ground->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES);
        FAILS(mkdir(ground->path, 0700), EEXIST);
        FAILS(unlink(ground->file), EACCES);
        FAILS(execl("/bin/true", "true", NULL), EACCES);
        if (version >= TRUNCATES)
                FAILS(truncate(ground->file, 0), EACCES);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT(fd >= 0);
        FAILS(connect(fd, (const struct sockaddr *)&address, sizeof(address)),
                version >= TCP ? EACCES : ECONNREFUSED);
        /* What was open stays. */
        EXPECT(write(kept, "x", 1) == 1);
        return 0;
}

static int directory(const struct ground *ground, int version)
{
        int fd = open(ground->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file;

        EXPECT(fd >= 0);
        EXPECT(landlock_directory(fd) == 0);
        EXPECT(others(ground, version) == 0);
        file = openat(fd, "new", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        EXPECT(file >= 0 && write(file, "x", 1) == 1 && ftruncate(file, 0) == 0);
        EXPECT(renameat2(fd, "new", fd, "newer", RENAME_NOREPLACE) == 0);
        EXPECT(linkat(fd, "newer", fd, "new", 0) == 0 && unlinkat(fd, "newer", 0) == 0);
        EXPECT(open(ground->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
        FAILS(openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES);
        FAILS(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(open("/proc/self/mem", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(mkdirat(fd, "made", 0700), EACCES);
        FAILS(symlinkat("/", fd, "made"), EACCES);
        FAILS(renameat(fd, "new", AT_FDCWD, "/tmp/tokend-landlock-moved"), EACCES);
        return 0;
}

static void test_domain(void)
{
        for_versions(2, domain);
}

static void test_nothing(void)
{
        for_versions(1, nothing);
}

static void test_directory(void)
{
        for_versions(1, directory);
}

/* It is told, and is no error. */
static void test_absent(void)
{
        played = 0;
        CU_ASSERT_EQUAL(landlock_domain(), 1);
        CU_ASSERT_EQUAL(landlock_nothing(), 1);
        CU_ASSERT_EQUAL(landlock_directory(-1), 1);
        played = 1;
        CU_ASSERT_EQUAL(landlock_domain(), 1);
        played = -1;
}

SUITE(sandbox_landlock,
        {"in a domain nobody outside is traced or gets a signal, and files are as they were", test_domain},
        {"who gives up everything opens nothing, and keeps what is open", test_nothing},
        {"who is confined to a directory works in it, and nowhere else", test_directory},
        {"a kernel without Landlock is told, and nothing is given up", test_absent});
