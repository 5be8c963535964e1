/* SPDX-License-Identifier: MPL-2.0 */
/* Audit files for tokendctl: which there are, in the order of their records, and their lines. */
#pragma once

#include "client/tokendctl/tokendctl.h"

struct audit_file {
        char *path;
        FILE *stream;
        uint64_t first_seq; /* of its first record that has a number; 0: none has */
};

struct audit_files {
        struct audit_file *list;
        size_t n;
};

/* Opens those that the command line names behind `verify` or `show`. If it names none: the file of Audit=, as --config, the installed
 * configuration or the daemon says, and those before it. In the order of their records. An exit status; audit_files_done() in any case. */
int audit_files_open(const struct ctl_options *o, struct audit_files *ret);
void audit_files_done(struct audit_files *files);

/* Reads a line of up to size bytes without its newline. The rest of a longer line is skipped, and *ret_length is size.
 * *ret_whole: the line had a newline. 1: the file has ended; -errno. */
int audit_file_line(FILE *stream, char *buffer, size_t size, size_t *ret_length, bool *ret_whole);
