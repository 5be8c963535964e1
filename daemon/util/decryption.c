/* SPDX-License-Identifier: MPL-2.0 */
/* See decryption.h. */
#include "daemon/util/decryption.h"

#include <string.h>

#include "daemon/util/ckm.h"

#define DECRYPTION_ROW(constant, name, mechanism, hash) [constant] = {name, mechanism, hash},
static const struct decryption_info decryptions[DECRYPTION_MAX_] = {DECRYPTION_LIST(DECRYPTION_ROW)};

const struct decryption_info *decryption_info(unsigned decryption)
{
        return decryption > 0 && decryption < DECRYPTION_MAX_ ? &decryptions[decryption] : NULL;
}

unsigned decryption_from_name(const char *name)
{
        for (unsigned i = 1; i < DECRYPTION_MAX_; i++)
                if (strcmp(decryptions[i].name, name) == 0)
                        return i;
        return 0;
}

bool decryption_fits(unsigned decryption, unsigned key_type, unsigned bits)
{
        const struct decryption_info *info = decryption_info(decryption);
        size_t bytes = (bits + 7U) / 8U;

        if (!info || key_type != KEY_RSA)
                return false;
        return bytes >= (info->hash == HASH_NONE ? 11 : 2 * hash_length(info->hash) + 2);
}
