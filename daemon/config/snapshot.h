/* SPDX-License-Identifier: MPL-2.0 */
/* The objects of a snapshot: for the files of this layer. config.h is what others may ask. */
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/keys.h"

/* Frees a config, config_token or config_instance with its values; NULL is fine. */
void section_free_object(enum section_kind kind, void *object);
