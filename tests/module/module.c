/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libtestmodule.so: a PKCS #11 module for tests that hands every call on to a real one, counts it, and fails
 * on demand. Never installed.
 *
 * TESTMODULE_TARGET    path of the real module (libsofthsm2.so)
 * TESTMODULE_PARAMETERS  what C_Initialize gets as LibraryParameters: NSS's softoken as the real module finds its
 * databases by it
 * TESTMODULE_COUNTERS  a file that is made where absent, and mapped by every process that loads the module:
 * 128 records of 48 bytes { char name[40]; uint64_t calls; } in the order of CK_FUNCTION_LIST (calls are
 *                      counted before they are made, failed ones too), then the state of the faults. The last two are
 *                      `held` and `released`: calls that `hold` has stopped, and of these the ones that went on;
 * before them `objects`: the session objects of this process when C_GetTokenInfo was called last
 * TESTMODULE_FAULTS    a text file that may be rewritten at any time (write a new one and rename it): it is
 * looked at on every call. One fault a line:
 *
 *     FUNCTION ACTION [after] [skip=N] [count=N] [label=TEXT] [type=N] [since=FUNCTION] [until=FUNCTION]
 *
 * TESTMODULE_TRACE     a file: each C_UnwrapKey that succeeds adds a line, with what was unwrapped and what the real
 * module says of the object that it made
 *
 * TESTMODULE_TEXT      a file whose bytes the action `text` shows; it is read at each call
 *
 * FUNCTION is a name (C_Sign) or * for any. The fault applies to calls from number skip (0) on, to count of
 * them (all), counted over all processes since the file was last changed. after: the real call is made first.
 * label: the fault applies to calls about objects of that CKA_LABEL alone (C_GetAttributeValue, C_SignInit, C_Sign,
 * C_DestroyObject). type: of C_GetAttributeValue, calls that ask for that attribute, too. since, until: once that function
 * was called since the file was last changed, and not any more.
 * ACTION is one of
 *
 *     ckr=0x30      returns that
 *     hang          never returns
 *     crash         SIGKILL to this process
 *     reach=PID     tries to get at that process (reach.h); what it could is a CK_RV of a vendor, else it goes on
 *     delay_ms=200  waits, then goes on
 *     hold          waits until the file of faults is another one, then goes on
 *     logout        C_Logout behind the caller's back, then goes on
 *     closeall      C_CloseAllSessions of every slot, likewise
 *     absent        C_GetSlotList: no slot
 *     short         C_Sign: one byte of the signature is missing
 *     garbage       C_Sign: the signature's first byte is flipped
 *     weaken        C_UnwrapKey, C_GenerateKeyPair: what is made is extractable
 *     nofalse=0x5   C_GenerateKeyPair: returns that where the template says of a usage that it is false
 *     alias         C_CreateObject: of a data object, the handle that is returned is a private key's
 *     drop          C_GetSessionInfo: CKR_SESSION_HANDLE_INVALID, and C_OpenSession gives that handle again
 *     max=4         C_OpenSession: CKR_SESSION_COUNT while that many are open
 *     flags=0x20000 C_GetTokenInfo: these flags are set beside the token's own
 *     clear=0x400   C_GetTokenInfo: these flags are taken off
 *     limit=4       C_GetTokenInfo: ulMaxSessionCount and ulMaxRwSessionCount
 *     endless       C_FindObjects: as many handles as are asked for, each time; not of data objects
 *     nuls          C_GetTokenInfo: label and model are padded with NUL, and the serial number is blank
 *     modifiable    C_CreateObject: CKA_MODIFIABLE is left out, as by a token that does not know it
 *     text          C_GetInfo, C_GetSlotInfo, C_GetTokenInfo: every field of text is that text; C_GetAttributeValue: CKA_LABEL
 *                   is, of objects that are no data objects
 *     hide=0xd      C_GetMechanismList: that mechanism is not among them
 *     slots=4       C_GetSlotList says that there are so many; `mechanisms` likewise of C_GetMechanismList
 *     length=4      C_GetAttributeValue says that each value has so many bytes, and writes what there is
 *
 * or it does something to the process, and then goes on (process.c):
 *
 *     close=3       closes that descriptor; `closefrom` it and all above
 *     replace=3     has another file in its place, and keeps what it was
 *     end_thread    ends this thread; `end_other` the one that made the call before
 *     signals       takes all signals for itself, and sends SIGTERM
 *     fork          leaves a child behind
 *     limits=0      no descriptors any more, and files of so many bytes at most
 *     places        umask, working directory, locale, environment, dumpable
 *     alarm=1       SIGALRM in so many seconds
 *     eat=100       takes so many MiB of memory
 *     say=100       writes so many lines to standard error
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <nss/pkcs11.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/module/process.h"
#include "tests/module/reach.h"

#define N_RECORDS 128
#define N_FAULTS  32

enum function {
#define FUNCTION(name, parameters, arguments) F_##name,
#include "tests/module/functions.h"
#undef FUNCTION
};

enum action {
        ACTION_NONE,
        ACTION_CKR,
        ACTION_HANG,
        ACTION_CRASH,
        ACTION_REACH,
        ACTION_DELAY,
        ACTION_HOLD,
        ACTION_LOGOUT,
        ACTION_CLOSEALL,
        ACTION_ABSENT,
        ACTION_SHORT,
        ACTION_GARBAGE,
        ACTION_WEAKEN,
        ACTION_DROP,
        ACTION_MAX,
        ACTION_FLAGS,
        ACTION_CLEAR,
        ACTION_LIMIT,
        ACTION_NULS,
        ACTION_ENDLESS,
        ACTION_NOFALSE,
        ACTION_ALIAS,
        ACTION_TEXT,
        ACTION_COUNT,
        ACTION_HIDE,
        ACTION_LENGTH,
        ACTION_PROCESS,
        ACTION_MODIFIABLE,
};

static const struct {
        const char *word;
        enum action action;
} words[] = {
        {"ckr", ACTION_CKR},
        {"hang", ACTION_HANG},
        {"crash", ACTION_CRASH},
        {"reach", ACTION_REACH},
        {"delay_ms", ACTION_DELAY},
        {"hold", ACTION_HOLD},
        {"logout", ACTION_LOGOUT},
        {"closeall", ACTION_CLOSEALL},
        {"absent", ACTION_ABSENT},
        {"short", ACTION_SHORT},
        {"garbage", ACTION_GARBAGE},
        {"weaken", ACTION_WEAKEN},
        {"drop", ACTION_DROP},
        {"max", ACTION_MAX},
        {"flags", ACTION_FLAGS},
        {"clear", ACTION_CLEAR},
        {"limit", ACTION_LIMIT},
        {"nuls", ACTION_NULS},
        {"endless", ACTION_ENDLESS},
        {"nofalse", ACTION_NOFALSE},
        {"alias", ACTION_ALIAS},
        {"text", ACTION_TEXT},
        {"slots", ACTION_COUNT},
        {"mechanisms", ACTION_COUNT},
        {"hide", ACTION_HIDE},
        {"length", ACTION_LENGTH},
        {"modifiable", ACTION_MODIFIABLE},
};

struct fault {
        char function[40], word[16];
        enum action action;
        unsigned long value, skip, count;
        unsigned long type; /* 0: any */
        char label[40];     /* empty: of any object, or of none */
        char since[40], until[40];
        bool after;
        uint64_t stamp; /* of the file that it stands in */
};

struct shared {
        struct {
                char name[40];
                _Atomic uint64_t calls;
        } records[N_RECORDS];
        _Atomic uint64_t stamp;          /* which text of the faults the next is about */
        _Atomic uint64_t seen[N_FAULTS]; /* calls that each line has met */
        _Atomic uint64_t begins[N_FAULTS],
                ends[N_FAULTS]; /* calls of its `since` and `until`, when the text was new */
};

static struct {
        pthread_mutex_t lock;
        CK_FUNCTION_LIST_PTR target;
        struct shared *shared;
        struct fault faults[N_FAULTS];
        size_t n_faults;
        uint64_t stamp;
        atomic_long open;
        _Atomic CK_SESSION_HANDLE dropped; /* 0: none; the real session stays open, for whoever opens next */
} module = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The object that the calling thread's call is about; CK_INVALID_HANDLE: it is about none, or that is not known. */
static _Thread_local struct {
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE object;
        const CK_ATTRIBUTE *attributes; /* that are asked for; NULL: none */
        CK_ULONG n;
} about;

static void parse_word(struct fault *fault, const char *word)
{
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        unsigned long value = equals ? strtoul(equals + 1, NULL, 0) : 0;

        if (strcmp(word, "after") == 0)
                fault->after = true;
        else if (strncmp(word, "skip=", 5) == 0)
                fault->skip = value;
        else if (strncmp(word, "count=", 6) == 0)
                fault->count = value;
        else if (strncmp(word, "label=", 6) == 0)
                snprintf(fault->label, sizeof(fault->label), "%s", word + 6);
        else if (strncmp(word, "type=", 5) == 0)
                fault->type = value;
        else if (strncmp(word, "since=", 6) == 0)
                snprintf(fault->since, sizeof(fault->since), "%s", word + 6);
        else if (strncmp(word, "until=", 6) == 0)
                snprintf(fault->until, sizeof(fault->until), "%s", word + 6);
        else {
                fault->action = ACTION_PROCESS;
                fault->value = value;
                snprintf(fault->word, sizeof(fault->word), "%.*s", (int)length, word);
                for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                        if (strcmp(words[i].word, fault->word) == 0)
                                fault->action = words[i].action;
        }
}

static void parse(FILE *file)
{
        char line[256];

        module.n_faults = 0;
        while (module.n_faults < N_FAULTS && fgets(line, sizeof(line), file)) {
                struct fault fault = {.count = ULONG_MAX, .stamp = module.stamp};
                char *save = NULL, *word = strtok_r(line, " \t\n", &save);

                if (!word || *word == '#')
                        continue;
                snprintf(fault.function, sizeof(fault.function), "%s", word);
                while ((word = strtok_r(NULL, " \t\n", &save)))
                        parse_word(&fault, word);
                module.faults[module.n_faults++] = fault;
        }
}

/* Tells one file of faults from another. 0: there is none. */
static uint64_t stamp_of(const char *path)
{
        struct stat st;

        if (!path || stat(path, &st) < 0)
                return 0;
        return ((uint64_t)st.st_ino * 31 + (uint64_t)st.st_mtim.tv_sec) * 1000000007U +
               (uint64_t)st.st_mtim.tv_nsec * 31 + (uint64_t)st.st_size;
}

static uint64_t calls_of(const char *function)
{
        for (size_t i = 0; i < N_RECORDS && module.shared; i++)
                if (strcmp(module.shared->records[i].name, function) == 0)
                        return atomic_load(&module.shared->records[i].calls);
        return 0;
}

/* Reads the faults again where the file is another one. With the lock held. */
static void refresh(void)
{
        const char *path = getenv("TESTMODULE_FAULTS");
        uint64_t stamp = stamp_of(path);
        FILE *file;

        if (stamp == module.stamp)
                return;
        module.stamp = stamp;
        module.n_faults = 0;
        file = stamp ? fopen(path, "re") : NULL;
        if (file) {
                parse(file);
                fclose(file);
        }
        /* The first process that sees a new text counts anew, for all. */
        if (module.shared && atomic_exchange(&module.shared->stamp, stamp) != stamp)
                for (size_t i = 0; i < N_FAULTS; i++) {
                        atomic_store(&module.shared->seen[i], 0);
                        atomic_store(&module.shared->begins[i], calls_of(module.faults[i].since));
                        atomic_store(&module.shared->ends[i], calls_of(module.faults[i].until));
                }
}

static bool is_about(const char *label)
{
        char value[sizeof(module.faults[0].label)];
        CK_ATTRIBUTE wanted = {CKA_LABEL, value, sizeof(value)};

        return about.object != CK_INVALID_HANDLE &&
               module.target->C_GetAttributeValue(about.session, about.object, &wanted, 1) == CKR_OK &&
               wanted.ulValueLen == strlen(label) && memcmp(value, label, strlen(label)) == 0;
}

static bool asks_for(unsigned long type)
{
        for (CK_ULONG i = 0; about.attributes && i < about.n; i++)
                if (about.attributes[i].type == type)
                        return true;
        return false;
}

static bool is_meant(const struct fault *fault, size_t i, const char *function, bool after)
{
        if (fault->after != after ||
                (strcmp(fault->function, "*") != 0 && strcmp(fault->function, function) != 0))
                return false;
        if (fault->label[0] && !is_about(fault->label))
                return false;
        if (fault->type != 0 && !asks_for(fault->type))
                return false;
        if (fault->since[0] && calls_of(fault->since) == atomic_load(&module.shared->begins[i]))
                return false;
        return fault->until[0] == '\0' || calls_of(fault->until) == atomic_load(&module.shared->ends[i]);
}

/* The fault that is due at this call, at this side of it. */
static struct fault due(const char *function, bool after)
{
        struct fault found = {.action = ACTION_NONE};

        pthread_mutex_lock(&module.lock);
        refresh();
        for (size_t i = 0; i < module.n_faults && module.shared; i++) {
                const struct fault *fault = &module.faults[i];
                uint64_t seen;

                if (!is_meant(fault, i, function, after))
                        continue;
                seen = atomic_fetch_add(&module.shared->seen[i], 1);
                if (seen < fault->skip || seen - fault->skip >= fault->count)
                        continue;
                found = *fault;
                break;
        }
        pthread_mutex_unlock(&module.lock);
        return found;
}

/* As a device does that was reset: sessions or login are gone, and the caller is not told. */
static void lose(enum action action)
{
        CK_SLOT_ID slots[16];
        CK_ULONG n = 16;

        if (module.target->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
                return;
        for (CK_ULONG i = 0; i < n; i++) {
                CK_SESSION_HANDLE session;

                if (action == ACTION_CLOSEALL) {
                        (void)module.target->C_CloseAllSessions(slots[i]);
                        atomic_store(&module.open, 0);
                } else if (module.target->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &session) ==
                           CKR_OK) {
                        (void)module.target->C_Logout(session);
                        (void)module.target->C_CloseSession(session);
                }
        }
}

static void hold(uint64_t stamp)
{
        const char *path = getenv("TESTMODULE_FAULTS");

        atomic_fetch_add(&module.shared->records[N_RECORDS - 2].calls, 1);
        while (stamp_of(path) == stamp)
                usleep(1000);
        atomic_fetch_add(&module.shared->records[N_RECORDS - 1].calls, 1);
}

/* What can be done before any call; true: *ret is what to return instead of calling. */
static bool act(const struct fault *fault, CK_RV *ret)
{
        switch (fault->action) {
        case ACTION_CKR:
                *ret = fault->value;
                return true;
        case ACTION_HANG:
                for (;;)
                        pause();
        case ACTION_REACH:
                *ret = CKR_VENDOR_DEFINED | module_reach((pid_t)fault->value);
                return *ret != CKR_VENDOR_DEFINED;
        case ACTION_CRASH:
                kill(getpid(), SIGKILL);
                for (;;)
                        pause();
        case ACTION_LOGOUT:
        case ACTION_CLOSEALL:
                lose(fault->action);
                return false;
        case ACTION_DELAY:
                usleep((useconds_t)fault->value * 1000U);
                return false;
        case ACTION_HOLD:
                hold(fault->stamp);
                return false;
        case ACTION_PROCESS:
                (void)process_act(fault->word, fault->value);
                return false;
        default:
                return false;
        }
}

static bool before(enum function function, const char *name, struct fault *fault, CK_RV *ret)
{
        if (module.shared)
                atomic_fetch_add(&module.shared->records[function].calls, 1);
        *fault = due(name, false);
        return act(fault, ret);
}

static void after(const char *name, CK_RV *rv)
{
        struct fault fault = due(name, true);

        (void)act(&fault, rv);
}

/* ---- every function, as it is handed on; those below do more ---- */

#define PLAIN(name, parameters, arguments)                                                                   \
        static CK_RV plain_##name parameters                                                                 \
        {                                                                                                    \
                struct fault fault;                                                                          \
                CK_RV rv;                                                                                    \
                if (before(F_##name, #name, &fault, &rv))                                                    \
                        return rv;                                                                           \
                rv = module.target->name arguments;                                                          \
                after(#name, &rv);                                                                           \
                return rv;                                                                                   \
        }
#define FUNCTION(name, parameters, arguments) PLAIN(name, parameters, arguments)
#include "tests/module/functions.h"
#undef FUNCTION

static void begin_about(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        about.session = session;
        about.object = object;
}

static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR n)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetSlotList, "C_GetSlotList", &fault, &rv))
                return rv;
        if (fault.action == ACTION_ABSENT) {
                *n = 0;
                return CKR_OK;
        }
        rv = module.target->C_GetSlotList(present, slots, n);
        if (rv == CKR_OK && fault.action == ACTION_COUNT)
                *n = fault.value;
        return rv;
}

static CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR n)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetMechanismList, "C_GetMechanismList", &fault, &rv))
                return rv;
        rv = module.target->C_GetMechanismList(slot, list, n);
        if (rv == CKR_OK && fault.action == ACTION_COUNT)
                *n = fault.value;
        /* Another stands twice instead. */
        for (CK_ULONG i = 0; rv == CKR_OK && list && fault.action == ACTION_HIDE && i < *n; i++)
                if (list[i] == fault.value)
                        list[i] = list[i == 0 ? 1 : 0];
        return rv;
}

static void pad_with_nul(CK_UTF8CHAR *field, size_t n)
{
        while (n > 0 && field[n - 1] == ' ')
                field[--n] = '\0';
}

#define TEXT_MAX (128U * 1024U)

/* Into a new buffer, which the caller frees. NULL: there is no such file. */
static char *read_text(size_t *ret_length)
{
        const char *path = getenv("TESTMODULE_TEXT");
        FILE *file = path ? fopen(path, "re") : NULL;
        char *text = file ? malloc(TEXT_MAX) : NULL;

        if (text)
                *ret_length = fread(text, 1, TEXT_MAX, file);
        if (file)
                fclose(file);
        return text;
}

static void show_text(CK_UTF8CHAR *field, size_t size)
{
        size_t length = 0;
        char *text = read_text(&length);

        memset(field, ' ', size);
        if (text)
                memcpy(field, text, length < size ? length : size);
        free(text);
}

static CK_RV get_info(CK_INFO_PTR info)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetInfo, "C_GetInfo", &fault, &rv))
                return rv;
        rv = module.target->C_GetInfo(info);
        if (rv == CKR_OK && fault.action == ACTION_TEXT) {
                show_text(info->manufacturerID, sizeof(info->manufacturerID));
                show_text(info->libraryDescription, sizeof(info->libraryDescription));
        }
        return rv;
}

static CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetSlotInfo, "C_GetSlotInfo", &fault, &rv))
                return rv;
        rv = module.target->C_GetSlotInfo(slot, info);
        if (rv == CKR_OK && fault.action == ACTION_TEXT) {
                show_text(info->slotDescription, sizeof(info->slotDescription));
                show_text(info->manufacturerID, sizeof(info->manufacturerID));
        }
        return rv;
}

/* As a token gives it: the length alone where there is no buffer, none where it is short. */
static CK_RV show_label(CK_ATTRIBUTE *attribute, CK_ULONG size)
{
        size_t length = 0;
        char *text = read_text(&length);
        CK_RV rv = CKR_OK;

        if (!text)
                return CKR_OK;
        if (attribute->pValue && size < length) {
                attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                rv = CKR_BUFFER_TOO_SMALL;
        } else {
                if (attribute->pValue)
                        memcpy(attribute->pValue, text, length);
                attribute->ulValueLen = length;
        }
        free(text);
        return rv;
}

static bool is_data(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        CK_OBJECT_CLASS class = CKO_DATA;
        CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof(class)};

        (void)module.target->C_GetAttributeValue(session, object, &wanted, 1);
        return class == CKO_DATA;
}

static CK_RV get_attribute_value(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes, CK_ULONG n)
{
        CK_ULONG sizes[64];
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetAttributeValue, "C_GetAttributeValue", &fault, &rv))
                return rv;
        for (CK_ULONG i = 0; i < n && i < 64; i++)
                sizes[i] = attributes[i].ulValueLen;
        rv = module.target->C_GetAttributeValue(session, object, attributes, n);
        for (CK_ULONG i = 0; fault.action == ACTION_TEXT && rv == CKR_OK && i < n && i < 64; i++)
                if (attributes[i].type == CKA_LABEL && !is_data(session, object))
                        rv = show_label(&attributes[i], sizes[i]);
        for (CK_ULONG i = 0; i < n && fault.action == ACTION_LENGTH; i++)
                attributes[i].ulValueLen = fault.value;
        after("C_GetAttributeValue", &rv);
        return rv;
}

static CK_RV initialize(CK_VOID_PTR arguments)
{
        const char *parameters = getenv("TESTMODULE_PARAMETERS");
        CK_C_INITIALIZE_ARGS changed = {.flags = CKF_OS_LOCKING_OK};
        struct fault fault;
        CK_RV rv;

        if (before(F_C_Initialize, "C_Initialize", &fault, &rv))
                return rv;
        if (parameters)
                changed.LibraryParameters = (void *)(uintptr_t)parameters;
        rv = module.target->C_Initialize(parameters ? &changed : arguments);
        after("C_Initialize", &rv);
        return rv;
}

static void count_objects(CK_SLOT_ID slot)
{
        CK_OBJECT_HANDLE objects[512];
        CK_SESSION_HANDLE session;
        CK_BBOOL no = CK_FALSE;
        CK_ATTRIBUTE template = {CKA_TOKEN, &no, sizeof(no)};
        CK_ULONG n = 0;

        if (!module.shared ||
                module.target->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
                return;
        if (module.target->C_FindObjectsInit(session, &template, 1) == CKR_OK) {
                (void)module.target->C_FindObjects(session, objects, 512, &n);
                (void)module.target->C_FindObjectsFinal(session);
        }
        (void)module.target->C_CloseSession(session);
        atomic_store(&module.shared->records[N_RECORDS - 3].calls, n);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetTokenInfo, "C_GetTokenInfo", &fault, &rv))
                return rv;
        rv = module.target->C_GetTokenInfo(slot, info);
        if (atomic_load(&module.open) > 0)
                count_objects(slot);
        if (rv == CKR_OK && fault.action == ACTION_FLAGS)
                info->flags |= fault.value;
        if (rv == CKR_OK && fault.action == ACTION_CLEAR)
                info->flags &= ~(CK_FLAGS)fault.value;
        if (rv == CKR_OK && fault.action == ACTION_LIMIT)
                info->ulMaxSessionCount = info->ulMaxRwSessionCount = fault.value;
        if (rv == CKR_OK && fault.action == ACTION_TEXT) {
                show_text(info->label, sizeof(info->label));
                show_text(info->manufacturerID, sizeof(info->manufacturerID));
                show_text(info->model, sizeof(info->model));
                show_text(info->serialNumber, sizeof(info->serialNumber));
        }
        if (rv == CKR_OK && fault.action == ACTION_NULS) {
                pad_with_nul(info->label, sizeof(info->label));
                pad_with_nul(info->model, sizeof(info->model));
                memset(info->serialNumber, ' ', sizeof(info->serialNumber));
        }
        return rv;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
        CK_SESSION_HANDLE_PTR session)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_OpenSession, "C_OpenSession", &fault, &rv))
                return rv;
        if (fault.action == ACTION_MAX && atomic_load(&module.open) >= (long)fault.value)
                return CKR_SESSION_COUNT;
        *session = atomic_exchange(&module.dropped, 0);
        if (*session != 0)
                return CKR_OK;
        rv = module.target->C_OpenSession(slot, flags, application, notify, session);
        if (rv == CKR_OK)
                atomic_fetch_add(&module.open, 1);
        return rv;
}

static CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GetSessionInfo, "C_GetSessionInfo", &fault, &rv))
                return rv;
        if (fault.action == ACTION_DROP) {
                atomic_store(&module.dropped, session);
                return CKR_SESSION_HANDLE_INVALID;
        }
        rv = module.target->C_GetSessionInfo(session, info);
        after("C_GetSessionInfo", &rv);
        return rv;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_CloseSession, "C_CloseSession", &fault, &rv))
                return rv;
        rv = module.target->C_CloseSession(session);
        if (rv == CKR_OK)
                atomic_fetch_sub(&module.open, 1);
        return rv;
}

static CK_RV read_object(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes, CK_ULONG n)
{
        CK_RV rv;

        begin_about(session, object);
        about.attributes = attributes;
        about.n = n;
        rv = get_attribute_value(session, object, attributes, n);
        about.object = CK_INVALID_HANDLE;
        about.attributes = NULL;
        return rv;
}

static CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        CK_RV rv;

        begin_about(session, object);
        rv = plain_C_DestroyObject(session, object);
        about.object = CK_INVALID_HANDLE;
        return rv;
}

/* The key that C_Sign of a session is about is that of its last C_SignInit. */
static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
        CK_RV rv;

        begin_about(session, key);
        rv = plain_C_SignInit(session, mechanism, key);
        if (rv != CKR_OK)
                about.object = CK_INVALID_HANDLE;
        return rv;
}

static CK_RV sign(
        CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR n)
{
        struct fault fault;
        CK_RV rv;

        if (session != about.session)
                about.object = CK_INVALID_HANDLE;
        if (before(F_C_Sign, "C_Sign", &fault, &rv))
                return rv;
        rv = module.target->C_Sign(session, data, length, signature, n);
        if (rv == CKR_OK && signature && fault.action == ACTION_SHORT)
                (*n)--;
        if (rv == CKR_OK && signature && fault.action == ACTION_GARBAGE)
                signature[0] ^= 0xff;
        after("C_Sign", &rv);
        return rv;
}

/* Whether the search of this thread is for data objects, as claims are. */
static _Thread_local bool finds_data;

static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG n)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_FindObjectsInit, "C_FindObjectsInit", &fault, &rv))
                return rv;
        finds_data = false;
        for (CK_ULONG i = 0; i < n; i++)
                if (template[i].type == CKA_CLASS && template[i].ulValueLen == sizeof(CK_OBJECT_CLASS))
                        finds_data = *(const CK_OBJECT_CLASS *)template[i].pValue == CKO_DATA;
        rv = module.target->C_FindObjectsInit(session, template, n);
        after("C_FindObjectsInit", &rv);
        return rv;
}

static CK_RV find_objects(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR n)
{
        struct fault fault;
        CK_RV rv;

        if (before(F_C_FindObjects, "C_FindObjects", &fault, &rv))
                return rv;
        rv = module.target->C_FindObjects(session, objects, max, n);
        if (rv == CKR_OK && fault.action == ACTION_ENDLESS && !finds_data)
                for (*n = 0; *n < max; (*n)++)
                        objects[*n] = 1000 + *n;
        after("C_FindObjects", &rv);
        return rv;
}

static long attribute(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
        CK_BYTE value[1024] = {0};
        CK_ATTRIBUTE wanted = {type, value, sizeof(value)};

        return module.target->C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK ? value[0] : -1;
}

static void trace(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, const CK_BYTE *wrapped, CK_ULONG length)
{
        static const struct {
                const char *name;
                CK_ATTRIBUTE_TYPE type;
        } shown[] = {{"class", CKA_CLASS}, {"token", CKA_TOKEN}, {"private", CKA_PRIVATE},
                {"sensitive", CKA_SENSITIVE}, {"extractable", CKA_EXTRACTABLE}, {"sign", CKA_SIGN},
                {"decrypt", CKA_DECRYPT}, {"unwrap", CKA_UNWRAP}, {"derive", CKA_DERIVE},
                {"value", CKA_VALUE}, {"exponent", CKA_PRIVATE_EXPONENT}};
        const char *path = getenv("TESTMODULE_TRACE");
        FILE *file = path ? fopen(path, "ae") : NULL;

        if (!file)
                return;
        for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
                fprintf(file, "%s=%ld ", shown[i].name, attribute(session, object, shown[i].type));
        fprintf(file, "wrapped=");
        for (CK_ULONG i = 0; i < length; i++)
                fprintf(file, "%02x", wrapped[i]);
        fprintf(file, "\n");
        fclose(file);
}

static CK_RV unwrap_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key,
        CK_BYTE_PTR wrapped, CK_ULONG length, CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR ret)
{
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE changed[32];
        struct fault fault;
        CK_RV rv;

        if (before(F_C_UnwrapKey, "C_UnwrapKey", &fault, &rv))
                return rv;
        for (CK_ULONG i = 0; i < n && i < 32; i++) {
                changed[i] = template[i];
                if (fault.action == ACTION_WEAKEN && template[i].type == CKA_EXTRACTABLE)
                        changed[i].pValue = &yes;
        }
        rv = module.target->C_UnwrapKey(
                session, mechanism, key, wrapped, length, n > 32 ? template : changed, n, ret);
        if (rv == CKR_OK)
                trace(session, *ret, wrapped, length);
        after("C_UnwrapKey", &rv);
        return rv;
}

/* ---- what is made ---- */

static bool is_usage(CK_ATTRIBUTE_TYPE type)
{
        return (type >= CKA_ENCRYPT && type <= CKA_VERIFY_RECOVER) || type == CKA_DERIVE;
}

static bool says_false(const CK_ATTRIBUTE *template, CK_ULONG n)
{
        for (CK_ULONG i = 0; i < n; i++)
                if (is_usage(template[i].type) && template[i].ulValueLen == sizeof(CK_BBOOL) &&
                        *(const CK_BBOOL *)template[i].pValue == CK_FALSE)
                        return true;
        return false;
}

static CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public,
        CK_ULONG n_public, CK_ATTRIBUTE_PTR private, CK_ULONG n_private, CK_OBJECT_HANDLE_PTR ret_public,
        CK_OBJECT_HANDLE_PTR ret_private)
{
        CK_BBOOL yes = CK_TRUE;
        struct fault fault;
        CK_RV rv;

        if (before(F_C_GenerateKeyPair, "C_GenerateKeyPair", &fault, &rv))
                return rv;
        if (fault.action == ACTION_NOFALSE &&
                (says_false(public, n_public) || says_false(private, n_private)))
                return fault.value;
        for (CK_ULONG i = 0; i < n_private && fault.action == ACTION_WEAKEN; i++)
                if (private[i].type == CKA_EXTRACTABLE)
        private[i].pValue = &yes;
        rv = module.target->C_GenerateKeyPair(
                session, mechanism, public, n_public, private, n_private, ret_public, ret_private);
        after("C_GenerateKeyPair", &rv);
        return rv;
}

static bool makes_data(const CK_ATTRIBUTE *template, CK_ULONG n)
{
        for (CK_ULONG i = 0; i < n; i++)
                if (template[i].type == CKA_CLASS)
                        return *(const CK_OBJECT_CLASS *)template[i].pValue == CKO_DATA;
        return false;
}

static CK_RV create_object(
        CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR ret)
{
        CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
        CK_ATTRIBUTE key = {CKA_CLASS, &class, sizeof(class)};
        CK_ATTRIBUTE kept[64];
        CK_ULONG found = 0, n_kept = 0;
        struct fault fault;
        CK_RV rv;

        if (before(F_C_CreateObject, "C_CreateObject", &fault, &rv))
                return rv;
        for (CK_ULONG i = 0; i < n && i < 64; i++)
                if (fault.action != ACTION_MODIFIABLE || template[i].type != CKA_MODIFIABLE)
                        kept[n_kept++] = template[i];
        rv = module.target->C_CreateObject(session, kept, n_kept, ret);
        if (rv == CKR_OK && fault.action == ACTION_ALIAS && makes_data(template, n) &&
                module.target->C_FindObjectsInit(session, &key, 1) == CKR_OK) {
                (void)module.target->C_FindObjects(session, ret, 1, &found);
                (void)module.target->C_FindObjectsFinal(session);
        }
        after("C_CreateObject", &rv);
        return rv;
}

/* ---- loading ---- */

static void map_counters(void)
{
        static const char *const names[] = {
#define FUNCTION(name, parameters, arguments) #name,
#include "tests/module/functions.h"
#undef FUNCTION
        };
        const char *path = getenv("TESTMODULE_COUNTERS");
        int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
        void *map;

        if (fd >= 0 && ftruncate(fd, sizeof(struct shared)) < 0)
                fprintf(stderr, "testmodule: %s cannot be made\n", path);
        map = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                fd >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS, fd, 0);
        if (fd >= 0)
                close(fd);
        if (map == MAP_FAILED)
                return;
        module.shared = map;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                snprintf(module.shared->records[i].name, sizeof(module.shared->records[i].name), "%s",
                        names[i]);
        memcpy(module.shared->records[N_RECORDS - 3].name, "objects", sizeof("objects"));
        memcpy(module.shared->records[N_RECORDS - 2].name, "held", sizeof("held"));
        memcpy(module.shared->records[N_RECORDS - 1].name, "released", sizeof("released"));
}

static CK_RV load(void)
{
        const char *path = getenv("TESTMODULE_TARGET");
        void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL, *symbol;
        CK_C_GetFunctionList get;

        if (!library) {
                fprintf(stderr, "testmodule: TESTMODULE_TARGET does not load: %s\n",
                        path ? dlerror() : "not set");
                return CKR_GENERAL_ERROR;
        }
        symbol = dlsym(library, "C_GetFunctionList");
        if (!symbol)
                return CKR_GENERAL_ERROR;
        memcpy(&get, &symbol, sizeof(get));
        map_counters();
        return get(&module.target);
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ret)
{
        static CK_FUNCTION_LIST list = {
                .version = {2, 40},
#define FUNCTION(name, parameters, arguments) .name = plain_##name,
#include "tests/module/functions.h"
#undef FUNCTION
        };
        CK_RV rv = CKR_OK;

        pthread_mutex_lock(&module.lock);
        if (!module.target)
                rv = load();
        pthread_mutex_unlock(&module.lock);
        if (rv != CKR_OK)
                return rv;
        list.C_GetFunctionList = C_GetFunctionList;
        list.C_GetInfo = get_info;
        list.C_GetSlotInfo = get_slot_info;
        list.C_GetAttributeValue = read_object;
        list.C_Initialize = initialize;
        list.C_GetSlotList = get_slot_list;
        list.C_GetTokenInfo = get_token_info;
        list.C_GetMechanismList = get_mechanism_list;
        list.C_OpenSession = open_session;
        list.C_CloseSession = close_session;
        list.C_FindObjectsInit = find_objects_init;
        list.C_FindObjects = find_objects;
        list.C_GetSessionInfo = get_session_info;
        list.C_DestroyObject = destroy_object;
        list.C_SignInit = sign_init;
        list.C_Sign = sign;
        list.C_UnwrapKey = unwrap_key;
        list.C_GenerateKeyPair = generate_key_pair;
        list.C_CreateObject = create_object;
        *ret = &list;
        return CKR_OK;
}
