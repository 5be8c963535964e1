/* SPDX-License-Identifier: MPL-2.0 */
/* What is in a backup, of somebody who knows its passphrase. */
#include <string.h>

#include "daemon/backup/archive.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct backup backup;
        size_t length = 8 + 2 + 1;

        if (archive_payload(data, size, &backup) != 0)
                return 0;
        CHECK(*backup.token && backup.files[BACKUP_CERTIFICATES].data && backup.files[BACKUP_KEYS].data);
        length += strlen(backup.token);
        for (size_t i = 0; i < BACKUP_FILES; i++)
                length += backup.files[i].data ? 1 + 8 + backup.files[i].length : 0;
        /* Nothing in it is ignored. */
        CHECK(length == size);
        backup_done(&backup);
        return 0;
}
