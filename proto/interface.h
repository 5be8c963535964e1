/* SPDX-License-Identifier: MPL-2.0 */
/* The text of the interface files of proto/, for org.varlink.service.GetInterfaceDescription. */
#pragma once

#include <stddef.h>

struct proto_interface {
        const char *name;        /* "io.tokend.Keys" */
        const char *description; /* the text of the .varlink file */
};

/* The first is org.varlink.service. */
extern const struct proto_interface proto_interfaces[];
extern const size_t n_proto_interfaces;
