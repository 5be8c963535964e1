/* SPDX-License-Identifier: MPL-2.0 */
/* The words behind `tokendctl audit`. Exit statuses. */
#pragma once

#include "client/tokendctl/tokendctl.h"

int audit_show(const struct ctl_options *o);
int audit_rotate(const struct ctl_options *o);
