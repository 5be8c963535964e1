/* SPDX-License-Identifier: MPL-2.0 */
/* Sentences on standard error. */
#include <stdarg.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

_printf_(1, 0) static void complain_with(const char *format, va_list arguments)
{
        _cleanup_(freep) char *text = text_format_args(format, arguments);
        _cleanup_(freep) char *escaped = text ? printable_new(text) : NULL;

        fprintf(stderr, "tokendctl: %s\n", escaped ? escaped : "no memory");
}

void complain(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_with(format, arguments);
        va_end(arguments);
}

int usage(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_with(format, arguments);
        va_end(arguments);
        return EXIT_USAGE;
}

int no_memory(void)
{
        complain("no memory");
        return EXIT_UNREACHABLE;
}

int not_shown(void)
{
        complain("standard output cannot be written, or memory is short");
        return EXIT_UNREACHABLE;
}
