/* SPDX-License-Identifier: MPL-2.0 */
/* See module-child.h. */
#include "daemon/doctor/module-child.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <nss/pkcs11.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/sandbox/filter.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/util/ckr.h"
#include "daemon/util/printable.h"
#include "daemon/util/secret.h"
#include "daemon/util/text.h"
#include "daemon/worker/device/slot-identity.h"

/* More slots than this are not asked. */
#define SLOTS_MAX 64U

/* One line; what a module says is made printable by the caller. */
static void tell(const char *format, ...) _printf_(1, 2);
static void tell(const char *format, ...)
{
        char line[2048];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        if (n > 0)
                (void)!write(MODULE_CHILD_FD, line, MIN_OF((size_t)n, sizeof(line) - 1));
}

static void tell_text(const char *word, const char *text)
{
        char shown[1024];

        printable_copy(shown, sizeof(shown), text, strlen(text));
        tell("%s\t%s\n", word, shown);
}

static int tell_ckr(const char *call, CK_RV rv)
{
        char name[CKR_TEXT];

        tell("error\t%s says %s\n", call, ckr_text(rv, name));
        return EXIT_FAILURE;
}

/* What a worker gives up before it loads a module, but that this process may be traced: its parent sees what it is refused. */
static void give_up(void)
{
        struct rlimit none = {0, 0};

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)landlock_domain();
        (void)filter_enter(&filter_supervisor);
}

static int load(const char *path, CK_FUNCTION_LIST_PTR *ret)
{
        CK_C_GetFunctionList get;
        void *library, *symbol;
        struct stat st;
        CK_RV rv;

        tell("at\tdlopen\n");
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
                tell("error\tit is not a regular file\n");
                return EXIT_FAILURE;
        }
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
                tell_text("error", dlerror());
                return EXIT_FAILURE;
        }
        symbol = dlsym(library, "C_GetFunctionList");
        if (!symbol) {
                tell("error\tit is not a PKCS #11 module: it has no C_GetFunctionList\n");
                return EXIT_FAILURE;
        }
        memcpy(&get, &symbol, sizeof(get));
        tell("at\tC_GetFunctionList\n");
        rv = get(ret);
        if (rv != CKR_OK)
                return tell_ckr("C_GetFunctionList", rv);
        return EXIT_SUCCESS;
}

static int initialize(CK_FUNCTION_LIST_PTR p11)
{
        CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
        char description[sizeof(CK_INFO) + 1];
        CK_INFO info;
        CK_RV rv;

        tell("at\tC_Initialize\n");
        rv = p11->C_Initialize(&args);
        if (rv == CKR_CANT_LOCK)
                rv = p11->C_Initialize(NULL);
        if (rv != CKR_OK)
                return tell_ckr("C_Initialize", rv);
        tell("at\tC_GetInfo\n");
        if (p11->C_GetInfo(&info) != CKR_OK)
                return EXIT_SUCCESS;
        text_field(description, info.libraryDescription, sizeof(info.libraryDescription));
        tell_text("library", description);
        return EXIT_SUCCESS;
}

/* What was found among the slots. */
struct match {
        size_t n;
        CK_SLOT_ID slot;
        CK_FLAGS flags;
};

static void tell_slot(CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, const struct uri *uri, struct match *match)
{
        char label[4 * URI_PART_MAX + 1], serial[4 * URI_PART_MAX + 1];
        struct uri_token identity;
        CK_TOKEN_INFO info;
        bool matches;

        if (p11->C_GetTokenInfo(slot, &info) != CKR_OK)
                return;
        slot_token_identity(p11, slot, &info, &identity);
        matches = (info.flags & CKF_TOKEN_INITIALIZED) && (!uri || uri_matches_token(uri, &identity));
        if (matches) {
                match->n++;
                match->slot = slot;
                match->flags = info.flags;
        }
        printable_copy(label, sizeof(label), identity.parts[URI_TOKEN], strlen(identity.parts[URI_TOKEN]));
        printable_copy(
                serial, sizeof(serial), identity.parts[URI_SERIAL], strlen(identity.parts[URI_SERIAL]));
        tell("slot\t%lu\t%lx\t%d\t%s\t%s\n", slot, info.flags, matches, label, serial);
}

static int tell_slots(CK_FUNCTION_LIST_PTR p11, const char *text, struct match *match)
{
        CK_SLOT_ID slots[SLOTS_MAX];
        struct uri uri = {0};
        CK_ULONG n = SLOTS_MAX;
        CK_RV rv;

        if (text && uri_parse(text, &uri) < 0)
                return EXIT_FAILURE;
        tell("at\tC_GetSlotList\n");
        rv = p11->C_GetSlotList(CK_TRUE, slots, &n);
        if (rv != CKR_OK)
                return tell_ckr("C_GetSlotList", rv);
        tell("at\tC_GetTokenInfo\n");
        for (CK_ULONG i = 0; i < MIN_OF(n, (CK_ULONG)SLOTS_MAX); i++)
                tell_slot(p11, slots[i], text ? &uri : NULL, match);
        uri_done(&uri);
        return EXIT_SUCCESS;
}

/* One attempt, and none where a wrong one could cost the token. */
static void log_in(CK_FUNCTION_LIST_PTR p11, const struct match *match, const char *pin_file)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        CK_SESSION_HANDLE session;
        char name[CKR_TEXT];
        CK_RV rv;

        if (match->flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW)) {
                tell("login\tnot tried: the token says that few tries are left\n");
                return;
        }
        if (secret_read_file(pin_file, &pin) < 0 || secret_oddity(pin) != SECRET_PLAIN) {
                tell("login\tnot tried: the PIN cannot be read, or has more around it than a PIN\n");
                return;
        }
        tell("at\tC_OpenSession\n");
        rv = p11->C_OpenSession(match->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
        if (rv == CKR_OK) {
                tell("at\tC_Login\n");
                rv = p11->C_Login(
                        session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)secret_text(pin), secret_length(pin));
        }
        tell("login\t%s\n", rv == CKR_OK ? "ok" : ckr_text(rv, name));
        if (rv == CKR_OK)
                (void)p11->C_Logout(session);
}

int module_child(const char *path, const char *uri, const char *pin_file)
{
        CK_FUNCTION_LIST_PTR p11 = NULL;
        struct match match = {0};
        int r;

        if (fcntl(MODULE_CHILD_FD, F_SETFD, FD_CLOEXEC) < 0)
                return EXIT_FAILURE;
        give_up();
        r = load(path, &p11);
        if (r == 0)
                r = initialize(p11);
        if (r == 0)
                r = tell_slots(p11, uri, &match);
        if (r == 0 && match.n == 1 && pin_file && (match.flags & CKF_LOGIN_REQUIRED))
                log_in(p11, &match, pin_file);
        if (p11 && r == 0) {
                tell("at\tC_Finalize\n");
                (void)p11->C_Finalize(NULL);
        }
        tell("done\n");
        return r;
}
