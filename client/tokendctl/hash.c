/* SPDX-License-Identifier: MPL-2.0 */
/* Hashes files with NSS, piece by piece, so that a file of any size is signed by its digest. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <nss/nss.h>
#include <nss/pk11pub.h>
#include <nss/sechash.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"

#define PIECE 65536U

static int hash_descriptor(int fd, HASH_HashType type, unsigned char *digest, size_t *ret_length)
{
        static unsigned char piece[PIECE];
        HASHContext *context = HASH_Create(type);
        unsigned length = 0;
        ssize_t n;

        if (!context)
                return -EIO;
        HASH_Begin(context);
        while ((n = read(fd, piece, sizeof(piece))) != 0) {
                if (n > 0)
                        HASH_Update(context, piece, (unsigned)n);
                else if (errno != EINTR)
                        break;
        }
        if (n == 0)
                HASH_End(context, digest, &length, DIGEST_MAX);
        else
                n = -errno;
        HASH_Destroy(context);
        if (n < 0)
                return (int)n;
        *ret_length = length;
        return length > 0 ? 0 : -EIO;
}

/* Between hash_begin() and hash_end(): NSS has no hash before. */
static int hash_with(int fd, const struct hash_info *hash, unsigned char *digest, size_t *ret_length)
{
        SECOidTag tag = PK11_MechanismToAlgtag(hash->mechanism);

        return hash_descriptor(fd, HASH_GetHashTypeByOidTag(tag), digest, ret_length);
}

int hash_file(const char *path, const char *algorithm, unsigned char *digest, size_t *ret_length)
{
        const struct algorithm_info *info = algorithm_info(algorithm_from_name(algorithm));
        const struct hash_info *hash = info ? hash_info(info->hash) : NULL;
        int fd = STDIN_FILENO, r;

        if (!hash)
                return -EINVAL;
        if (!file_is_standard(path))
                fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = hash_begin();
        if (r == 0) {
                r = hash_with(fd, hash, digest, ret_length);
                if (NSS_Shutdown() != SECSuccess && r == 0)
                        r = -EIO;
        }
        if (fd != STDIN_FILENO)
                close(fd);
        return r;
}

int hash_begin(void)
{
        return NSS_NoDB_Init(NULL) == SECSuccess ? 0 : -EIO;
}

void hash_end(void)
{
        (void)NSS_Shutdown();
}

int hash_sha256(const void *bytes, size_t length, unsigned char digest[static 32])
{
        if (length > INT32_MAX || HASH_HashBuf(HASH_AlgSHA256, digest, bytes, (unsigned)length) != SECSuccess)
                return -EIO;
        return 0;
}
