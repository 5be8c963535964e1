/* SPDX-License-Identifier: MPL-2.0 */
#include "daemon/util/cause.h"

#include <stddef.h>

const struct cause_info *cause_find(unsigned number)
{
        static const struct cause_info infos[CAUSE_MAX_] = {
#define X(number, word, sentence, next) [number] = {word, sentence, next},
                CAUSE_LIST(X)
#undef X
        };

        return number > CAUSE_NONE && number < CAUSE_MAX_ ? &infos[number] : NULL;
}
