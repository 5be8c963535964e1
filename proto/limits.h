/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every limit of the service, in one place, with its unit and its reason. Plain numbers only: this is the
 * one header that every layer may include. A test named after the limit reaches each of them.
 */
#pragma once

/* Bytes of one message on the wire, its NUL not counted. docs/protocol.md promises it. A request that carries a whole
 * message to sign fits, and 64 of them on one connection stay bounded. */
#define LIMIT_MESSAGE (128U * 1024U)

/* Levels of JSON, the outermost object being the first. docs/protocol.md promises it. */
#define LIMIT_JSON_DEPTH 16U

/* Objects and arrays in one message. An empty object of two bytes takes json-c 1 KiB: without a bound, 128
 * KiB of them would take 50 MiB. A List reply that fills the message limit has 600. */
#define LIMIT_JSON_CONTAINERS 4096U

/* Requests of one connection that are not answered yet; more are not read. docs/protocol.md promises it. */
#define LIMIT_REQUESTS_PER_CONNECTION 64U

/* Bytes of the messages of one connection's unanswered requests; with so many no other is read. Two of the longest messages,
 * so that one is read while the other is worked on. What a message unfolds to is not counted: only its parameters are kept. */
#define LIMIT_REQUESTS_BYTES (2U * LIMIT_MESSAGE)

/* Bytes of a nickname in UTF-8. docs/protocol.md promises it. */
#define LIMIT_NICKNAME 128U

/* Bytes of a key's name in a request: a URI with a nickname and an id of which every byte is escaped, and room for the token. */
#define LIMIT_NAME 4096U

/* Bytes of a distinguished name in a request; the worker takes less. */
#define LIMIT_SUBJECT 4096U

/* Bytes of a string in a request that has no limit of its own: names of tokens, algorithms, curves. An error repeats them. */
#define LIMIT_WORD 256U

/* Bytes of a CKA_ID that we take from a token. SHA-1 gives 20, OpenSC 45; past this a key is not listed. */
#define LIMIT_KEY_ID 128U

/* Objects of one token that the broker keeps; a full token has some thousands. A token with more
 * fails, and its status says why. */
#define LIMIT_OBJECTS 100000U

/* Milliseconds a request may ask for in timeoutMs, and what holds when it is left out. The interface files
 * promise both. */
#define LIMIT_TIMEOUT_MS   600000U
#define DEFAULT_TIMEOUT_MS 30000U
/* What Generate has beyond GenerateTimeout= when timeoutMs is left out. */
#define DEFAULT_GENERATE_EXTRA_MS 30000U

/* Bytes that Random gives at most. proto/io.tokend.Keys.varlink promises it. */
#define LIMIT_RANDOM 4096U

/* Bits of an RSA modulus that Generate makes. proto/io.tokend.Keys.varlink promises them. */
#define LIMIT_RSA_BITS_MIN 2048U
#define LIMIT_RSA_BITS_MAX 8192U
#define DEFAULT_RSA_BITS   3072U
/* The curve of an EC key where none is named: secp256r1. docs/protocol.md promises it. */
#define DEFAULT_EC_BITS 256U

/* Bytes of a signature: RSA-16384 made elsewhere and then listed here. */
#define LIMIT_SIGNATURE 2048U

/* Connections to the status socket, all callers together: monitoring keeps its own reserve. */
#define LIMIT_STATUS_CONNECTIONS 64U

/* Connections to the main socket of callers that match no [Instance], all together: each only learns that it
 * is refused. */
#define LIMIT_STRANGERS 64U

/* Bytes of a certificate (DER) that is listed and imported. A CA's have 1 to 2 KiB; in base64 this fits a reply. */
#define LIMIT_CERTIFICATE (64U * 1024U)

/* Days that SelfSign makes a certificate valid for. A century is more than any CA's root needs. */
#define LIMIT_VALIDITY_DAYS 36500U

/* Claims of other hosts that are kept for the status, of one token. A host has one at a time. */
#define LIMIT_CLAIMS 256U

/* Names in one Certificates.Check, and DNS names in one certificate or request. */
#define LIMIT_CHECK_NAMES 256U
#define LIMIT_DNS_NAMES   64U

/* Bytes of all configuration files together. */
#define LIMIT_CONFIG (1024U * 1024U)

/* [Token] and [Instance] sections, each. A host has a handful. */
#define LIMIT_SECTIONS 64U

/* Bytes of a PIN. PKCS #11 sets none; softoken takes 500. */
#define LIMIT_PIN 512U

/* Sessions= of one token: NSS's own and one that works is the least. */
#define LIMIT_SESSIONS_MIN 2U
#define LIMIT_SESSIONS_MAX 256U

/* Bytes of one message between our own processes. SOCK_SEQPACKET refuses more than the send buffer, of which
 * Linux gives 208 KiB. */
#define LIMIT_CHANNEL_MESSAGE (128U * 1024U)
/* Descriptors that may travel with one such message. */
#define LIMIT_CHANNEL_FDS 2U

/* Bytes of one audit record as JSON: a dozen strings, each cut at 1 KiB, a key id and a digest; what the file adds to it
 * (number, two hashes) not counted. */
#define LIMIT_AUDIT_RECORD (16U * 1024U)

/* Bytes of audit records that wait for the disk: while one fsync runs, and while it is full. */
#define LIMIT_AUDIT_BACKLOG (1024U * 1024U)
