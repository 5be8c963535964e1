/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The file of a backup: the files of one internal token, encrypted as a whole for a passphrase. It has no names of files, which
 * could lead elsewhere, but a kind for each; what is in it is bounded by its own size before memory is taken. Big-endian:
 *
 *   magic (16) iterations (4) salt (16) nonce (12) check (16) length (8) | length bytes of AES-256-GCM | tag (16)
 *
 * PBKDF2 with HMAC-SHA-256 makes of passphrase and salt the key, and the check, which tells a wrong passphrase from a damaged file. All
 * that stands before the encrypted bytes is authenticated with them. These are:
 *
 *   made (8, microseconds since 1970) token (2 + n) files (1), and of each kind (1) size (8) bytes
 *
 * Pure but for the random bytes; thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/macros.h"
#include "daemon/util/secret.h"

/* In the order in which they stand in an archive; the first two are in each. */
enum backup_file {
        BACKUP_CERTIFICATES, /* cert9.db */
        BACKUP_KEYS,         /* key4.db */
        BACKUP_PIN,          /* pin; not there where Pin= is configured */
        BACKUP_FILES,
};

/* The name of that file in the directory of a token. */
const char *backup_file_name(enum backup_file file);

struct backup {
        char *token; /* the section */
        uint64_t made_usec;
        struct backup_bytes {
                uint8_t *data; /* NULL: it is not there */
                size_t length;
        } files[BACKUP_FILES];
};

/* Frees what it owns, wiped. */
void backup_done(struct backup *backup);

/* *ret: the bytes of the archive, which the caller frees. -ENOMEM, -EFBIG: longer than LIMIT_BACKUP; -EIO: no random bytes. */
int archive_seal(
        const struct backup *backup, const struct secret *passphrase, uint8_t **ret, size_t *ret_length);

enum archive_fault {
        ARCHIVE_FOREIGN = 1, /* it is no backup of tokend, or of a later form */
        ARCHIVE_CUT,         /* the file has another length than it says */
        ARCHIVE_COSTLY,      /* it asks for more work than any that tokend made */
        ARCHIVE_PASSPHRASE,  /* it was made with another passphrase */
        ARCHIVE_DAMAGED,     /* a byte of it was changed */
        ARCHIVE_INVALID,     /* it was made with this passphrase, but not by tokend */
};

/* A sentence. */
const char *archive_fault_text(enum archive_fault fault);

/* What was encrypted. ARCHIVE_INVALID; -ENOMEM. */
int archive_payload(const uint8_t *bytes, size_t length, struct backup *ret);

/* Positive: enum archive_fault. -ENOMEM. bytes are decrypted in their place; the caller wipes them. */
int archive_open(uint8_t *bytes, size_t length, const struct secret *passphrase, struct backup *ret);
