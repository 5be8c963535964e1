/* SPDX-License-Identifier: MPL-2.0 */
/* See ckm.h. */
#include "daemon/util/ckm.h"

#include <stdio.h>
#include <string.h>

#define CKM_ROW(name, number) {"CKM_" #name, number},
static const struct {
        const char *name;
        uint64_t number;
} table[] = {CKM_LIST(CKM_ROW)};
#undef CKM_ROW

bool ckm_from_name(const char *name, uint64_t *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (strcmp(table[i].name, name) == 0) {
                        *ret = table[i].number;
                        return true;
                }
        return false;
}

const char *ckm_text(uint64_t mechanism, char buffer[static CKM_TEXT])
{
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (table[i].number == mechanism)
                        return table[i].name;
        snprintf(buffer, CKM_TEXT, "0x%llx", (unsigned long long)mechanism);
        return buffer;
}
