/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of secret keys share. */
#pragma once

#include "gen/client/stubs.h"

/* What a program gave as the argument of a call, which takes it over. NULL: no memory, which the call reports. TOKEND_INVALID_ARGUMENT. */
enum tokend_error sealed_template(const struct tokend_secret_template *given, struct json_object **ret,
        struct tokend_failure *ret_failure);
