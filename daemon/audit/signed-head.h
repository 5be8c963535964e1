/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The signed head of the chain. This message is signed (the signature's algorithm hashes it):
 *
 *     tokend audit head 1\nseq=N\nhash=<64 hex>\n
 *
 * N is the number of a record and hash its hash. Whoever checks the signature knows that all records up to N are as they
 * were then. The signature is a record in the chain itself, of kind `head`. It protects no record after N, and so not itself.
 * Pure.
 */
#pragma once

#include "daemon/audit/line.h"
#include "daemon/channel/message.h"

#define SIGNED_HEAD_MESSAGE_SIZE 128U

/* Returns the length. */
size_t signed_head_message(const struct chain *chain, char ret[static SIGNED_HEAD_MESSAGE_SIZE]);

/* The record for a signature. -EBADMSG: its algorithm is unknown, or a part is empty or too long; -EMSGSIZE: ret is too small. */
int signed_head_record(const struct chain *chain, const struct message_head_signed *answer, char *ret,
        size_t size, size_t *ret_length);
