/* SPDX-License-Identifier: MPL-2.0 */
/* Hashes files piece by piece, so that a file of any size is signed by its digest. With libnettle: a hash that cannot fail, and needs
 * no start. */
#include <errno.h>
#include <string.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"

#define PIECE 65536U

/* All three by one context: SHA-384 is SHA-512 with another beginning. */
struct hasher {
        unsigned hash;
        struct sha256_ctx sha256;
        struct sha512_ctx sha512;
};

static void hasher_init(struct hasher *hasher, unsigned hash)
{
        hasher->hash = hash;
        if (hash == HASH_SHA256)
                sha256_init(&hasher->sha256);
        else if (hash == HASH_SHA384)
                sha384_init(&hasher->sha512);
        else
                sha512_init(&hasher->sha512);
}

static void hasher_update(struct hasher *hasher, const unsigned char *bytes, size_t length)
{
        if (hasher->hash == HASH_SHA256)
                sha256_update(&hasher->sha256, length, bytes);
        else
                sha512_update(&hasher->sha512, length, bytes);
}

static void hasher_digest(struct hasher *hasher, unsigned char *digest)
{
        if (hasher->hash == HASH_SHA256)
                sha256_digest(&hasher->sha256, SHA256_DIGEST_SIZE, digest);
        else if (hasher->hash == HASH_SHA384)
                sha384_digest(&hasher->sha512, SHA384_DIGEST_SIZE, digest);
        else
                sha512_digest(&hasher->sha512, SHA512_DIGEST_SIZE, digest);
}

static int hash_descriptor(int fd, unsigned hash, unsigned char *digest)
{
        static unsigned char piece[PIECE];
        struct hasher hasher;
        ssize_t n;

        hasher_init(&hasher, hash);
        while ((n = read(fd, piece, sizeof(piece))) != 0) {
                if (n > 0)
                        hasher_update(&hasher, piece, (size_t)n);
                else if (errno != EINTR)
                        return -errno;
        }
        hasher_digest(&hasher, digest);
        return 0;
}

int hash_file(const char *path, const char *algorithm, unsigned char *digest, size_t *ret_length)
{
        const struct algorithm_info *info = algorithm_info(algorithm_from_name(algorithm));
        int fd = STDIN_FILENO, r;

        if (!info || hash_length(info->hash) == 0)
                return -EINVAL;
        if (!file_is_standard(path))
                fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = hash_descriptor(fd, info->hash, digest);
        if (r == 0)
                *ret_length = hash_length(info->hash);
        if (fd != STDIN_FILENO)
                close(fd);
        return r;
}

bool hash_is_of(const unsigned char *digest, size_t length, const char *algorithm, const void *message,
        size_t message_length)
{
        const struct algorithm_info *info = algorithm_info(algorithm_from_name(algorithm));
        unsigned char own[DIGEST_MAX];
        struct hasher hasher;

        if (!info || info->hash == HASH_SHA1 || hash_length(info->hash) == 0 ||
                hash_length(info->hash) != length)
                return false;
        hasher_init(&hasher, info->hash);
        hasher_update(&hasher, message, message_length);
        hasher_digest(&hasher, own);
        return memcmp(own, digest, length) == 0;
}

int hash_sha256(const void *bytes, size_t length, unsigned char digest[static 32])
{
        struct hasher hasher;

        hasher_init(&hasher, HASH_SHA256);
        hasher_update(&hasher, bytes, length);
        hasher_digest(&hasher, digest);
        return 0;
}
