/* SPDX-License-Identifier: MPL-2.0 */
/*
 * habits MODULE TOKEN HABIT: does to its own process what programs do (close all descriptors, become a daemon, give up rights, have small
 * stacks or signals), and signs before and after. `ready` on the output: it waits for a line of its input. `right`: all was.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/integration/user.h"

static CK_SESSION_HANDLE session;
static const char *module_path;
static void *library;

static void sign(void)
{
        sign_once(session, "ec", CKM_ECDSA_SHA256, 1);
}

/* ---- descriptors ---- */

static bool is_untouched(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* The program closes what it does not know, and has others under the same numbers, of which some are sockets. */
static void closes_all(void)
{
        int files[32], pairs[32][2];
        struct stat status;

        sign();
        closefrom(STDERR_FILENO + 1);
        for (int i = 0; i < 32; i++) {
                CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0);
                files[i] = open("/dev/null", O_RDWR);
        }
        sign();
        CHECK(f->C_Finalize(NULL) == CKR_OK);
        for (int i = 0; i < 32; i++) {
                CHECK(fstat(files[i], &status) == 0 && S_ISCHR(status.st_mode));
                CHECK(is_untouched(pairs[i][0]) && is_untouched(pairs[i][1]));
        }
}

/* Likewise before a fork, whose child closes what it inherited. */
static void closes_all_and_forks(void)
{
        int pair[2] = {-1, -1}, status;
        pid_t child;

        sign();
        closefrom(STDERR_FILENO + 1);
        for (int i = 0; i < 8; i++)
                CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        child = fork();
        if (child == 0) {
                for (int fd = STDERR_FILENO + 1; fd <= pair[1]; fd++)
                        CHECK(is_untouched(fd));
                sign();
                _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void becomes_a_daemon(void)
{
        sign();
        CHECK(daemon(0, 1) == 0);
        closefrom(STDERR_FILENO + 1);
        sign();
}

/* No number is left: what is connected goes on, and what is not says so. */
static void has_no_descriptors(void)
{
        struct rlimit limit = {0};
        int top = dup(0);

        CHECK(close(top) == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
        sign();
        top = dup(0);
        limit.rlim_cur = (rlim_t)top;
        CHECK(close(top) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
        sign();
        closefrom(STDERR_FILENO + 1);
        limit.rlim_cur = STDERR_FILENO + 1;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHECK(sign_with(session, find(session, CKO_PRIVATE_KEY, "ec")) == CKR_DEVICE_ERROR);
        limit.rlim_cur = limit.rlim_max;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        sign();
}

static unsigned open_descriptors(void)
{
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Loaded and unloaded, with C_Finalize and without: nothing is left, and a fork meets no function that is gone. */
static void loads_again(void)
{
        unsigned before;
        int status;

        MUST(f->C_Finalize(NULL));
        CHECK(dlclose(library) == 0);
        before = open_descriptors();
        for (int i = 0; i < 20; i++) {
                library = load(module_path);
                MUST(f->C_Initialize(NULL));
                MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
                sign();
                MUST(f->C_Finalize(NULL));
                CHECK(dlclose(library) == 0);
                CHECK(open_descriptors() == before);
        }
        library = load(module_path);
        MUST(f->C_Initialize(NULL));
        CHECK(dlclose(library) == 0);
        if (fork() == 0)
                _exit(0);
        CHECK(wait(&status) > 0 && status == 0);
}

/* ---- rights ---- */

/* It goes on as another user, who has rights of its own: nothing is asked as the old one any more. */
static void changes_user(void)
{
        CK_OBJECT_HANDLE private;

        sign();
        MUST(sign_with(session, find(session, CKO_PRIVATE_KEY, "private")));
        private = find(session, CKO_PRIVATE_KEY, "private");
        CHECK(setgroups(0, NULL) == 0 && setgid(33) == 0 && setuid(33) == 0);
        sign();
        CHECK(sign_with(session, private) == CKR_KEY_HANDLE_INVALID);
}

static void changes_root(void)
{
        sign();
        wait_for_line();
        CHECK(chdir(getenv("NEW_ROOT")) == 0 && chroot(".") == 0);
        sign();
}

/* As a process of OpenSSH that gave up all that it does not need: what is connected serves it, and nothing else is tried for long. */
static void has_a_filter(void)
{
        struct sock_filter rows[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 5, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 4, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        };
        struct sock_fprog program = {sizeof(rows) / sizeof(rows[0]), rows};
        CK_OBJECT_HANDLE key;

        sign();
        key = find(session, CKO_PRIVATE_KEY, "ec");
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
        sign();
        wait_for_line();
        CHECK(sign_with(session, key) == CKR_DEVICE_ERROR);
}

/* ---- threads, signals, children ---- */

static void *sign_in_thread(void *unused)
{
        CK_SESSION_HANDLE own;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &own));
        for (int i = 0; i < 8; i++)
                sign_once(own, i % 2 ? "ec" : "rsa", i % 2 ? CKM_ECDSA_SHA256 : CKM_SHA256_RSA_PKCS, 1);
        MUST(f->C_CloseSession(own));
        return unused;
}

static void runs_threads(size_t stack, void (*meanwhile)(void))
{
        pthread_t threads[8];
        pthread_attr_t attributes;

        CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, stack) == 0);
        for (int i = 0; i < 8; i++)
                CHECK(pthread_create(&threads[i], &attributes, sign_in_thread, NULL) == 0);
        if (meanwhile)
                meanwhile();
        for (int i = 0; i < 8; i++)
                CHECK(pthread_join(threads[i], NULL) == 0);
}

static void has_small_stacks(void)
{
        runs_threads(65536, NULL);
}

static void on_signal(int number)
{
        (void)number;
}

static void has_signals(void)
{
        struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
        struct itimerval often = {{0, 500}, {0, 500}};

        CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
        runs_threads(1 << 20, NULL);
        sign();
}

/* Eight threads are in calls all along; children use what they inherited, with another C_Initialize and without. */
static void forks(void)
{
        for (int i = 0; i < 12; i++) {
                pid_t child = fork();
                int status;

                if (child == 0) {
                        if (i % 2)
                                MUST(f->C_Initialize(NULL));
                        sign();
                        (void)sign_in_thread(NULL);
                        if (i % 3 == 0)
                                MUST(f->C_Finalize(NULL));
                        _exit(0);
                }
                CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
}

static void forks_among_threads(void)
{
        runs_threads(1 << 20, forks);
}

/* A child of vfork(2) has the parent's memory, and runs none of what fork(2) runs. */
static void starts_programs(void)
{
        for (int i = 0; i < 12; i++) {
                int status;
                pid_t child = vfork();

                if (child == 0) {
                        (void)execl(
                                "/bin/sh", "sh", "-c", "! ls -l /proc/self/fd | grep socket", (char *)NULL);
                        _exit(1);
                }
                CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
}

static void starts_programs_among_threads(void)
{
        runs_threads(1 << 20, starts_programs);
}

/* ---- what happens to the daemon and its keys meanwhile ---- */

static void waits_for_the_daemon(void)
{
        struct sigaction action = {.sa_handler = SIG_DFL};
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, "ec");

        CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
        sign();
        wait_for_line();
        MUST(sign_with(session, key));
        sign();
}

/* The key `anew` and its certificate go, and others come that have their names and ids. */
static void keeps_handles(void)
{
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, "anew"),
                         certificate = find(session, CKO_CERTIFICATE, "anew");
        CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
        CK_BYTE digest[32] = {1}, signature[64];
        CK_ULONG n = sizeof(signature);

        MUST(sign_with(session, key));
        MUST(f->C_SignInit(session, &mechanism, key));
        wait_for_line();
        /* It was begun with the old key. The module has asked nothing since. */
        CHECK(f->C_Sign(session, digest, sizeof(digest), signature, &n) == CKR_KEY_HANDLE_INVALID);
        CHECK(sign_with(session, key) == CKR_KEY_HANDLE_INVALID);
        CHECK(f->C_DestroyObject(session, key) != CKR_OK);
        CHECK(f->C_DestroyObject(session, certificate) != CKR_OK);
        CHECK(count_objects(session, "nobody") == 0); /* it asks */
        CHECK(find(session, CKO_CERTIFICATE, "anew") != certificate);
        MUST(sign_with(session, find(session, CKO_PRIVATE_KEY, "anew")));
}

/* The key `renewed` has a certificate, and the file of RENEWED another one: it is written, and then the old one is deleted. */
static void renews(void)
{
        CK_OBJECT_CLASS class = CKO_CERTIFICATE;
        CK_CERTIFICATE_TYPE type = CKC_X_509;
        CK_BBOOL yes = CK_TRUE;
        static CK_BYTE der[4096];
        FILE *file = fopen(getenv("RENEWED"), "re");
        size_t n = file ? fread(der, 1, sizeof(der), file) : 0;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                {CKA_CERTIFICATE_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &yes, sizeof(yes)},
                {CKA_LABEL, "renewed", 7}, {CKA_VALUE, der, n}};
        CK_OBJECT_HANDLE old = find(session, CKO_CERTIFICATE, "renewed"), new = CK_INVALID_HANDLE, again;

        CHECK(n > 0 && fclose(file) == 0 && old != CK_INVALID_HANDLE);
        MUST(f->C_CreateObject(session, template, 5, &new));
        CHECK(new != old &&find(session, CKO_CERTIFICATE, "renewed") == new);
        MUST(f->C_DestroyObject(session, old));
        CHECK(f->C_DestroyObject(session, old) == CKR_OBJECT_HANDLE_INVALID);
        CHECK(find(session, CKO_CERTIFICATE, "renewed") == new);
        /* The same once more is the same object. */
        MUST(f->C_CreateObject(session, template, 5, &again));
        CHECK(again == new);
        MUST(sign_with(session, find(session, CKO_PRIVATE_KEY, "renewed")));
}

/* As NSS and p11-kit look for what a token is. */
static void finds_profiles(void)
{
        static const CK_ULONG expected[] = {CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER,
                CKP_AUTHENTICATION_TOKEN, CKP_PUBLIC_CERTIFICATES_TOKEN};
        CK_OBJECT_CLASS class = CKO_PROFILE;
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_CLASS, &class, sizeof(class)}};
        CK_OBJECT_HANDLE found[8];
        CK_ULONG n = 0, profile = 0;
        CK_ATTRIBUTE id = {CKA_PROFILE_ID, &profile, sizeof(profile)};

        MUST(f->C_FindObjectsInit(session, template, 2));
        MUST(f->C_FindObjects(session, found, 8, &n));
        MUST(f->C_FindObjectsFinal(session));
        CHECK(n == sizeof(expected) / sizeof(expected[0]));
        for (CK_ULONG i = 0; i < n; i++) {
                MUST(f->C_GetAttributeValue(session, found[i], &id, 1));
                CHECK(profile == expected[i]);
        }
}

static const struct {
        const char *name;
        void (*run)(void);
} habits[] = {
        {"closes", closes_all},
        {"closes-and-forks", closes_all_and_forks},
        {"daemon", becomes_a_daemon},
        {"descriptors", has_no_descriptors},
        {"loads", loads_again},
        {"user", changes_user},
        {"root", changes_root},
        {"filter", has_a_filter},
        {"stacks", has_small_stacks},
        {"signals", has_signals},
        {"forks", forks},
        {"forks-among-threads", forks_among_threads},
        {"programs", starts_programs_among_threads},
        {"waits", waits_for_the_daemon},
        {"handles", keeps_handles},
        {"renews", renews},
        {"profiles", finds_profiles},
};

int main(int argc, char **argv)
{
        library = argc == 4 ? load(argv[1]) : NULL;
        if (!library) {
                fprintf(stderr, "usage: habits MODULE TOKEN HABIT\n");
                return 2;
        }
        module_path = argv[1];
        MUST(f->C_Initialize(NULL));
        find_slot(argv[2]);
        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
        for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
                if (strcmp(habits[i].name, argv[3]) == 0) {
                        habits[i].run();
                        printf("right\n");
                        return 0;
                }
        return 2;
}
