/* SPDX-License-Identifier: MPL-2.0 */
/* See archive.h. */
#include "daemon/backup/archive.h"

#include <nettle/gcm.h>
#include <nettle/memops.h>
#include <nettle/pbkdf2.h>
#include <string.h>
#include <sys/random.h>

#include "proto/limits.h"

#define MAGIC      "tokend backup 1\n"
#define MAGIC_SIZE 16U
#define SALT       16U
#define CHECK      16U
/* Where the parts of the head begin, and its size. */
#define AT_ITERATIONS MAGIC_SIZE
#define AT_SALT       (AT_ITERATIONS + 4U)
#define AT_NONCE      (AT_SALT + SALT)
#define AT_CHECK      (AT_NONCE + GCM_IV_SIZE)
#define AT_LENGTH     (AT_CHECK + CHECK)
#define HEAD          (AT_LENGTH + 8U)
/* Half a second of work for each guess. Who reads a file takes no more than ten times that. */
#define ITERATIONS     600000U
#define ITERATIONS_MAX (10U * ITERATIONS)

const char *backup_file_name(enum backup_file file)
{
        static const char *const names[BACKUP_FILES] = {"cert9.db", "key4.db", "pin"};

        return names[file];
}

static void free_wiped(void *memory, size_t length)
{
        if (memory)
                explicit_bzero(memory, length);
        free(memory);
}

void backup_done(struct backup *backup)
{
        for (size_t i = 0; i < BACKUP_FILES; i++)
                free_wiped(backup->files[i].data, backup->files[i].length);
        free(backup->token);
        *backup = (struct backup){0};
}

const char *archive_fault_text(enum archive_fault fault)
{
        static const char *const texts[] = {
                [ARCHIVE_FOREIGN] = "it is not a backup of this version of tokend",
                [ARCHIVE_CUT] = "it is cut short, or something was added to it",
                [ARCHIVE_COSTLY] = "its head asks for more work than a backup of tokend does",
                [ARCHIVE_PASSPHRASE] = "it was made with another passphrase",
                [ARCHIVE_DAMAGED] = "it is damaged: a byte of it was changed",
                [ARCHIVE_INVALID] = "tokend does not put such a content into a backup",
        };

        return texts[fault];
}

/* ---- numbers ---- */

static void put_number(uint8_t *at, unsigned n_bytes, uint64_t value)
{
        for (; n_bytes > 0; value >>= 8)
                at[--n_bytes] = (uint8_t)value;
}

static uint64_t number_at(const uint8_t *at, unsigned n_bytes)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < n_bytes; i++)
                value = value << 8 | at[i];
        return value;
}

/* ---- the key ---- */

struct keys {
        uint8_t key[AES256_KEY_SIZE], check[CHECK];
};

static void derive_keys(const uint8_t *head, const struct secret *passphrase, struct keys *ret)
{
        pbkdf2_hmac_sha256(secret_length(passphrase), (const uint8_t *)secret_text(passphrase),
                (unsigned)number_at(head + AT_ITERATIONS, 4), SALT, head + AT_SALT, sizeof(*ret),
                (uint8_t *)ret);
}

static void gcm_begin(struct gcm_aes256_ctx *gcm, const uint8_t *head, const struct keys *keys)
{
        gcm_aes256_set_key(gcm, keys->key);
        gcm_aes256_set_iv(gcm, GCM_IV_SIZE, head + AT_NONCE);
        gcm_aes256_update(gcm, HEAD, head);
}

/* ---- sealing ---- */

static uint64_t payload_length(const struct backup *backup)
{
        uint64_t length = 8 + 2 + strlen(backup->token) + 1;

        for (size_t i = 0; i < BACKUP_FILES; i++)
                if (backup->files[i].data)
                        length += 1 + 8 + backup->files[i].length;
        return length;
}

static void put_payload(uint8_t *at, const struct backup *backup)
{
        size_t length = strlen(backup->token);
        uint8_t *n_files;

        put_number(at, 8, backup->made_usec);
        put_number(at + 8, 2, length);
        memcpy(at + 10, backup->token, length);
        n_files = at + 10 + length;
        *n_files = 0;
        at = n_files + 1;
        for (size_t i = 0; i < BACKUP_FILES; i++) {
                const struct backup_bytes *file = &backup->files[i];

                if (!file->data)
                        continue;
                ++*n_files;
                *at = (uint8_t)i;
                put_number(at + 1, 8, file->length);
                memcpy(at + 9, file->data, file->length);
                at += 9 + file->length;
        }
}

int archive_seal(
        const struct backup *backup, const struct secret *passphrase, uint8_t **ret, size_t *ret_length)
{
        uint64_t length = payload_length(backup);
        struct gcm_aes256_ctx gcm;
        struct keys keys;
        uint8_t *bytes;

        if (HEAD + length + GCM_DIGEST_SIZE > LIMIT_BACKUP)
                return -EFBIG;
        bytes = malloc(HEAD + length + GCM_DIGEST_SIZE);
        if (!bytes)
                return -ENOMEM;
        memcpy(bytes, MAGIC, MAGIC_SIZE);
        put_number(bytes + AT_ITERATIONS, 4, ITERATIONS);
        put_number(bytes + AT_LENGTH, 8, length);
        if (getrandom(bytes + AT_SALT, SALT + GCM_IV_SIZE, 0) != (ssize_t)(SALT + GCM_IV_SIZE)) {
                free(bytes);
                return -EIO;
        }
        derive_keys(bytes, passphrase, &keys);
        memcpy(bytes + AT_CHECK, keys.check, CHECK);
        put_payload(bytes + HEAD, backup);
        gcm_begin(&gcm, bytes, &keys);
        gcm_aes256_encrypt(&gcm, length, bytes + HEAD, bytes + HEAD);
        gcm_aes256_digest(&gcm, GCM_DIGEST_SIZE, bytes + HEAD + length);
        explicit_bzero(&keys, sizeof(keys));
        explicit_bzero(&gcm, sizeof(gcm));
        *ret = bytes;
        *ret_length = HEAD + length + GCM_DIGEST_SIZE;
        return 0;
}

/* ---- opening ---- */

/* What is left of the payload. */
struct rest {
        const uint8_t *at;
        size_t left;
        bool bad;
};

static const uint8_t *take(struct rest *rest, uint64_t n)
{
        const uint8_t *at = rest->at;

        if (rest->bad || n > rest->left) {
                rest->bad = true;
                return NULL;
        }
        rest->at += n;
        rest->left -= (size_t)n;
        return at;
}

static uint64_t take_number(struct rest *rest, unsigned n_bytes)
{
        const uint8_t *at = take(rest, n_bytes);

        return at ? number_at(at, n_bytes) : 0;
}

static int take_token(struct rest *rest, struct backup *backup)
{
        uint64_t length = take_number(rest, 2);
        const uint8_t *at = take(rest, length);

        if (!at || length == 0 || memchr(at, 0, length))
                return ARCHIVE_INVALID;
        backup->token = strndup((const char *)at, length);
        return backup->token ? 0 : -ENOMEM;
}

/* Each kind stands once, in their order. */
static int take_file(struct rest *rest, struct backup *backup, int *last)
{
        uint64_t kind = take_number(rest, 1), length = take_number(rest, 8);
        const uint8_t *at = take(rest, length);
        struct backup_bytes *file;

        if (!at || kind >= BACKUP_FILES || (int)kind <= *last)
                return ARCHIVE_INVALID;
        file = &backup->files[kind];
        file->data = malloc((size_t)length + 1);
        if (!file->data)
                return -ENOMEM;
        memcpy(file->data, at, (size_t)length);
        file->length = (size_t)length;
        *last = (int)kind;
        return 0;
}

int archive_payload(const uint8_t *bytes, size_t length, struct backup *ret)
{
        struct rest rest = {.at = bytes, .left = length};
        struct backup backup = {.made_usec = take_number(&rest, 8)};
        int last = -1, r = take_token(&rest, &backup);

        for (uint64_t n = take_number(&rest, 1); r == 0 && n > 0; n--)
                r = take_file(&rest, &backup, &last);
        if (r == 0 && (rest.bad || rest.left > 0 || !backup.files[BACKUP_CERTIFICATES].data ||
                              !backup.files[BACKUP_KEYS].data))
                r = ARCHIVE_INVALID;
        if (r != 0)
                backup_done(&backup);
        else
                *ret = backup;
        return r;
}

static int decrypt(uint8_t *bytes, size_t length, const struct secret *passphrase)
{
        uint8_t tag[GCM_DIGEST_SIZE];
        struct gcm_aes256_ctx gcm;
        struct keys keys;
        int r = 0;

        derive_keys(bytes, passphrase, &keys);
        if (!memeql_sec(keys.check, bytes + AT_CHECK, CHECK))
                r = ARCHIVE_PASSPHRASE;
        if (r == 0) {
                gcm_begin(&gcm, bytes, &keys);
                gcm_aes256_decrypt(&gcm, length, bytes + HEAD, bytes + HEAD);
                gcm_aes256_digest(&gcm, sizeof(tag), tag);
                if (!memeql_sec(tag, bytes + HEAD + length, sizeof(tag)))
                        r = ARCHIVE_DAMAGED;
                explicit_bzero(&gcm, sizeof(gcm));
        }
        explicit_bzero(&keys, sizeof(keys));
        return r;
}

int archive_open(uint8_t *bytes, size_t length, const struct secret *passphrase, struct backup *ret)
{
        uint64_t iterations;
        int r;

        if (length < MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
                return ARCHIVE_FOREIGN;
        if (length < HEAD + GCM_DIGEST_SIZE ||
                number_at(bytes + AT_LENGTH, 8) != length - HEAD - GCM_DIGEST_SIZE)
                return ARCHIVE_CUT;
        iterations = number_at(bytes + AT_ITERATIONS, 4);
        if (iterations == 0 || iterations > ITERATIONS_MAX)
                return ARCHIVE_COSTLY;
        length -= HEAD + GCM_DIGEST_SIZE;
        r = decrypt(bytes, length, passphrase);
        return r == 0 ? archive_payload(bytes + HEAD, length, ret) : r;
}
