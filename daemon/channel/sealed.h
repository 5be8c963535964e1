/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The form of a sealed key: the bytes behind `sealed:`. What they mean, and why nobody can change them, is in
 * docs/sealed-keys.md. The worker writes them, and reads them once their MAC is right; the broker reads the header for the
 * token alone, and decides nothing on it. Everything but the version may change with the version. Pure; trusts nothing.
 */
#pragma once

#include "daemon/channel/wire.h"
#include "proto/limits.h"

/* Before the base64. A nickname has no colon, so that no nickname is one. */
#define SEALED_PREFIX "sealed:"

#define SEALED_VERSION 1U

/* Bytes of the CKA_ID of the two keys of an instance, of the MAC (HMAC with SHA-256), and of the fingerprint. */
#define SEALED_ID          16U
#define SEALED_MAC         32U
#define SEALED_FINGERPRINT 16U

/* Texts and bytes are borrowed. */
struct sealed {
        const char *token, *instance; /* as the configuration names them */
        struct wire_bytes seal, mac;  /* CKA_ID of the sealing key and of the MAC key; SEALED_ID bytes */
        uint8_t type;                 /* enum secret_type */
        uint32_t usage;               /* mask of enum key_usage */
        uint32_t size;                /* bytes; of a private key, the bits of its modulus or curve */
        struct wire_bytes public; /* of a private key: SubjectPublicKeyInfo, or empty where it is not known */
        struct wire_bytes wrapped;     /* by the sealing key */
        struct wire_bytes authentic;   /* what the MAC is of: all that is before it */
        const uint8_t *authentication; /* the MAC: SEALED_MAC bytes */
};

/* false: these bytes are no sealed key of this version. Type, usage and size may still be anything. */
bool sealed_parse(struct wire_bytes bytes, struct sealed *ret);

/* Everything but the MAC, which follows. */
void sealed_put(struct wire *wire, const struct sealed *sealed);

/* The first bytes of the MAC in hexadecimal digits: what logs, records and programs call the key by. Empty where the bytes
 * cannot be a sealed key. */
void sealed_fingerprint(struct wire_bytes bytes, char ret[static 2 * SEALED_FINGERPRINT + 1]);
