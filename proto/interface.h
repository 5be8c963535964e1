/* SPDX-License-Identifier: MPL-2.0 */
/* The interface files of proto/, as they were when this was built. */
#pragma once

#include <stddef.h>

struct proto_interface {
        const char *name;        /* "io.tokend.Keys" */
        const char *description; /* the text of the .varlink file */
};

/* All of them; org.varlink.service first. */
extern const struct proto_interface proto_interfaces[];
extern const size_t n_proto_interfaces;
