/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Landlock (landlock(7)): a process gives up rights, for itself and for what it starts. What the kernel does not know yet is left out,
 * so each of these does as much as there is. In all of them no process outside is traced, nor is its memory read, and from Linux 6.12 on
 * none outside gets a signal. Call them before there is a second thread: they are for the calling one. Not undone.
 */
#pragma once

/* Which version of Landlock the kernel has; 0: none, or none for this process. */
int landlock_version(void);

/* Each of the following returns 0; 1: this kernel has no Landlock (for landlock_domain(): none before Linux 5.19), and nothing is given up; -errno. */

/* For a process that loads code of others: files and sockets are as they were. */
int landlock_domain(void);

/* No file, no directory and, from Linux 6.7 on, no TCP port is opened; and from Linux 6.12 on no abstract UNIX socket outside. */
int landlock_nothing(void);

/* Likewise, but for regular files in the directory of that descriptor, and below: they are read, written, made, renamed within
 * their directory, and removed. */
int landlock_directory(int directory_fd);
