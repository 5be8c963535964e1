/* SPDX-License-Identifier: MPL-2.0 */
/* The passphrase of a backup: from a file, from standard input, or from the terminal, and never from the command line. */
#include <fcntl.h>
#include <string.h>
#include <termios.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/secret.h"

#define CANCEL    0x03 /* Ctrl-C */
#define ERASE     0x7f
#define BACKSPACE 0x08
#define KILL      0x15 /* Ctrl-U */

/* Reads keys until the line ends, without an echo. -ECANCELED: Ctrl-C, or the end of the terminal. */
static int read_line(int fd, char *line, size_t size, size_t *ret_length)
{
        size_t length = 0;
        char c = 0;

        for (;;) {
                ssize_t n = read(fd, &c, 1);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0 || c == CANCEL)
                        return -ECANCELED;
                if (c == '\n' || c == '\r')
                        break;
                if (c == KILL)
                        length = 0;
                else if (c == ERASE || c == BACKSPACE)
                        length -= length > 0;
                else if (length < size)
                        line[length++] = c;
        }
        *ret_length = length;
        return 0;
}

/* Signals of the terminal are off meanwhile, so that nothing can leave it without its echo. */
static int ask(int fd, const char *prompt, struct secret **ret)
{
        struct termios before, quiet;
        char line[LIMIT_PIN + 2];
        size_t length = 0;
        int r;

        if (tcgetattr(fd, &before) < 0)
                return -errno;
        quiet = before;
        quiet.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
        if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
                return -errno;
        (void)dprintf(fd, "%s: ", prompt);
        r = read_line(fd, line, sizeof(line), &length);
        (void)tcsetattr(fd, TCSAFLUSH, &before);
        (void)dprintf(fd, "\n");
        if (r == 0)
                r = secret_new_bytes(line, length, ret);
        explicit_bzero(line, sizeof(line));
        return r;
}

static int ask_twice(int fd, struct secret **ret)
{
        _cleanup_(secret_freep) struct secret *first = NULL, *second = NULL;
        int r = ask(fd, "Passphrase of the backup", &first);

        if (r == 0)
                r = ask(fd, "The same again", &second);
        if (r < 0)
                return r;
        if (strcmp(secret_text(first), secret_text(second)) != 0)
                return -EKEYREJECTED;
        *ret = TAKE_PTR(first);
        return 0;
}

static int read_terminal(bool twice, struct secret **ret)
{
        _cleanup_(closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return -ENOTTY;
        return twice ? ask_twice(fd, ret) : ask(fd, "Passphrase of the backup", ret);
}

static int read_file(const char *path, struct secret **ret)
{
        _cleanup_(closep) int fd = -1;

        if (file_is_standard(path))
                return secret_read_fd(STDIN_FILENO, ret);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? -errno : secret_read_fd(fd, ret);
}

int passphrase_get(const struct ctl_options *o, bool twice, struct secret **ret)
{
        int r = o->passphrase_file ? read_file(o->passphrase_file, ret) : read_terminal(twice, ret);

        if (r == 0)
                return EXIT_DONE;
        if (r == -ENOTTY)
                return usage("there is no terminal to ask for the passphrase: name a file that has it in "
                             "--passphrase-file "
                             "(- is standard input)");
        if (r == -EKEYREJECTED)
                return usage("the two passphrases differ");
        if (r == -EINVAL)
                return usage("the passphrase has 1 to %u bytes, without a NUL", LIMIT_PIN);
        return usage("%s: %s",
                o->passphrase_file ? file_name(o->passphrase_file, "standard input") : "the passphrase",
                strerror(-r));
}
