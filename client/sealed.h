/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of secret keys share. */
#pragma once

#include "gen/client/stubs.h"

/* The template as the argument of a call, which takes it over. NULL: no memory. */
struct json_object *sealed_template(const struct tokend_secret_template *wanted);
