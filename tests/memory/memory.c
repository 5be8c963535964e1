/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A library to be preloaded, in which allocations fail one after the other. Used by tests/integration/no_memory.py, which shares the
 * struct below with it through a file.
 *
 * An allocation is known by its callers (the stack above it), so that a request in which each allocation is to fail once is sent as
 * often as it has different ones, not as often as it has any, and over any number of processes. While `armed` is set, the next one
 * whose callers were not seen yet fails, and `armed` is cleared: one allocation fails, then all go well until the test arms again.
 *
 * NO_MEMORY_FILE is the file. NO_MEMORY_PROGRAM: only a process of that name (its children get the environment too).
 * NO_MEMORY_OWN: only what the program itself asks for, not what a library of others asks for.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

enum {
        CALLERS = 12,
        SEEN = 65536,
        SHOWN = 4096
};

struct shared {
        atomic_uint armed; /* set by the test */
        atomic_uint hits;  /* allocations that failed */
        uint32_t stride;   /* one in so many callers fails, the others count as seen */
        uint32_t offset;   /* which of them */
        atomic_uint nth;   /* not 0: that many allocations from now fails, whoever its callers are */
        uint32_t unused;
        atomic_uint seen[SEEN];
        char callers[SHOWN]; /* of the last that failed: "file+0xoffset", a line each */
};

struct range {
        uintptr_t from, to;
};

struct stack {
        uintptr_t at[CALLERS];
        int n;
};

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static struct shared *shared;
static bool own_alone;
static struct range self, library, program;
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

static bool in(const struct range *range, uintptr_t at)
{
        return at >= range->from && at < range->to;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *userdata)
{
        struct stack *stack = userdata;
        uintptr_t at = _Unwind_GetIP(context);

        if (in(&self, at))
                return _URC_NO_REASON;
        stack->at[stack->n++] = at;
        return stack->n < CALLERS ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* The lower bits, which the place of a library in memory does not change. Never 0. */
static uint32_t hash_of(const struct stack *stack)
{
        uint32_t hash = 2166136261U;

        for (int i = 0; i < stack->n; i++)
                hash = (hash ^ (uint32_t)(stack->at[i] & 0xfff)) * 16777619U;
        return hash ? hash : 1;
}

static bool is_new(uint32_t hash)
{
        for (uint32_t i = 0; i < SEEN; i++) {
                atomic_uint *place = &shared->seen[(hash + i) % SEEN];
                uint32_t empty = 0;

                if (atomic_compare_exchange_strong(place, &empty, hash))
                        return true;
                if (empty == hash)
                        return false;
        }
        return false;
}

static bool is_own(const struct stack *stack)
{
        for (int i = 0; i < stack->n; i++)
                if (!in(&library, stack->at[i]))
                        return in(&program, stack->at[i]);
        return false;
}

/* Whether this one is to fail. */
static bool is_chosen(const struct stack *stack)
{
        uint32_t hash = hash_of(stack);

        if (own_alone && !is_own(stack))
                return false;
        if (shared->nth > 0)
                return atomic_fetch_sub(&shared->nth, 1) == 1;
        return is_new(hash) && hash % shared->stride == shared->offset;
}

static void show(const struct stack *stack)
{
        size_t length = 0;

        for (int i = 0; i < stack->n && length < SHOWN - 256; i++) {
                Dl_info info;

                if (dladdr((void *)stack->at[i], &info) && info.dli_fname) // NOLINT: an address of code
                        length += (size_t)snprintf(shared->callers + length, 256, "%.200s+0x%lx\n",
                                info.dli_fname,
                                (unsigned long)(stack->at[i] - 1 - (uintptr_t)info.dli_fbase));
        }
        shared->callers[length] = '\0';
}

static bool fails(void)
{
        struct stack stack = {0};
        uint32_t one = 1;
        bool failed = false;

        if (!shared || inside || !atomic_load_explicit(&shared->armed, memory_order_relaxed))
                return false;
        inside = true;
        (void)_Unwind_Backtrace(step, &stack);
        if (is_chosen(&stack) && atomic_compare_exchange_strong(&shared->armed, &one, 0)) {
                show(&stack);
                shared->hits++;
                failed = true;
        }
        inside = false;
        if (failed)
                errno = ENOMEM;
        return failed;
}

/* ---- at the start ---- */

static int find_ranges(struct dl_phdr_info *info, size_t size, void *userdata)
{
        struct range range = {UINTPTR_MAX, 0};
        bool *first = userdata;

        for (int i = 0; i < info->dlpi_phnum; i++) {
                uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

                if (info->dlpi_phdr[i].p_type != PT_LOAD)
                        continue;
                range.from = from < range.from ? from : range.from;
                range.to = from + info->dlpi_phdr[i].p_memsz > range.to ? from + info->dlpi_phdr[i].p_memsz
                                                                        : range.to;
        }
        if (*first)
                program = range;
        if (in(&range, (uintptr_t)(void *)find_ranges))
                self = range;
        if (in(&range, (uintptr_t)(void *)strchrnul))
                library = range;
        *first = false;
        return 0;
}

static _Unwind_Reason_Code no_step(struct _Unwind_Context *context, void *userdata)
{
        return _URC_END_OF_STACK;
}

__attribute__((constructor)) static void begin(void)
{
        const char *path = getenv("NO_MEMORY_FILE"), *name = getenv("NO_MEMORY_PROGRAM");
        bool first = true;
        void *map;
        int fd;

        if (!path || !name || strcmp(name, program_invocation_short_name) != 0)
                return;
        own_alone = getenv("NO_MEMORY_OWN") != NULL;
        (void)dl_iterate_phdr(find_ranges, &first);
        /* Whatever the unwinder allocates at its first use. */
        (void)_Unwind_Backtrace(no_step, NULL);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        map = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (map != MAP_FAILED)
                shared = map;
}

/* ---- in the place of libc's ---- */

#define REPLACEMENT __attribute__((visibility("default")))
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

REPLACEMENT void *malloc(size_t size)
{
        return fails() ? NULL : __libc_malloc(size);
}

REPLACEMENT void *calloc(size_t n, size_t size)
{
        return fails() ? NULL : __libc_calloc(n, size);
}

REPLACEMENT void *realloc(void *memory, size_t size)
{
        return (size || !memory) && fails() ? NULL : __libc_realloc(memory, size);
}

REPLACEMENT void *aligned_alloc(size_t alignment, size_t size)
{
        return fails() ? NULL : __libc_memalign(alignment, size);
}

REPLACEMENT int posix_memalign(void **ret, size_t alignment, size_t size)
{
        void *memory = fails() ? NULL : __libc_memalign(alignment, size);

        if (!memory)
                return ENOMEM;
        *ret = memory;
        return 0;
}
