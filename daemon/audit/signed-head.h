/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The signed head of the chain. What is signed, as a message (the algorithm of the signature hashes it), is
 *
 *     tokend audit head 1\nseq=N\nhash=<64 hex>\n
 *
 * of the record N and its hash: whoever checks it knows that all records up to N are as they were then. The
 * signature is a record in the chain itself, of kind `head`, which protects nothing behind N, and so not
 * itself. Pure.
 */
#pragma once

#include "daemon/audit/line.h"
#include "daemon/channel/message.h"

#define SIGNED_HEAD_MESSAGE_SIZE 128U

/* Returns the length. */
size_t signed_head_message(const struct chain *chain, char ret[static SIGNED_HEAD_MESSAGE_SIZE]);

/* The record for a signature that came. -EBADMSG: the algorithm is none of ours, or a part is empty;
 * -EMSGSIZE. */
int signed_head_record(const struct chain *chain, const struct message_head_signed *answer, char *ret,
        size_t size, size_t *ret_length);
