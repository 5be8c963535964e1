/* SPDX-License-Identifier: MPL-2.0 */
/* See signed-head.h. Public key and signature are in hex, so that `jq -r .signature | xxd -r -p` makes a file for openssl. */
#include "daemon/audit/signed-head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/audit/own-kind.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/audit.h"
#include "daemon/util/text.h"

/* A SubjectPublicKeyInfo is the modulus and a few bytes more. */
#define SPKI_MAX (LIMIT_SIGNATURE + 64U)

size_t signed_head_message(const struct chain *chain, char ret[static SIGNED_HEAD_MESSAGE_SIZE])
{
        char hex[2 * LINE_HASH_SIZE + 1];

        text_hex(chain->hash, LINE_HASH_SIZE, hex);
        return (size_t)snprintf(ret, SIGNED_HEAD_MESSAGE_SIZE,
                "tokend audit head 1\nseq=%" PRIu64 "\nhash=%s\n", chain->seq, hex);
}

int signed_head_record(const struct chain *chain, const struct message_head_signed *answer, char *ret,
        size_t size, size_t *ret_length)
{
        const struct algorithm_info *info = algorithm_info(answer->algorithm);
        char when[AUDIT_TIME_SIZE], hash[2 * LINE_HASH_SIZE + 1], key[2048], spki[2 * SPKI_MAX + 1],
                signature[2 * LIMIT_SIGNATURE + 1];
        int length;

        if (!info || answer->spki.length == 0 || answer->spki.length > SPKI_MAX ||
                answer->signature.length == 0 || answer->signature.length > LIMIT_SIGNATURE ||
                audit_quote(answer->key, key, sizeof(key)) == 0)
                return -EBADMSG;
        audit_time(wall_usec(), when);
        text_hex(chain->hash, LINE_HASH_SIZE, hash);
        text_hex(answer->spki.data, answer->spki.length, spki);
        text_hex(answer->signature.data, answer->signature.length, signature);
        length = snprintf(ret, size,
                "{\"time\":\"%s\",\"kind\":\"%s\",\"signedSeq\":%" PRIu64
                ",\"signedHash\":\"%s\",\"algorithm\":\"%s\","
                "\"key\":%s,\"publicKey\":\"%s\",\"signature\":\"%s\"}",
                when, own_kind_name(OWN_HEAD), chain->seq, hash, info->name, key, spki, signature);
        if (length < 0 || (size_t)length >= size || (size_t)length > LIMIT_AUDIT_RECORD)
                return -EMSGSIZE;
        *ret_length = (size_t)length;
        return 0;
}
