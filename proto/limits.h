/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every limit of the service, with its unit and its reason. This header has only numbers, so that every layer may include
 * it. For each limit there is a test with its name.
 */
#pragma once

/* Bytes of one message on the wire, without its NUL. docs/protocol.md promises it. A request that carries a whole
 * message to sign fits, and 64 of them on one connection stay bounded. */
#define LIMIT_MESSAGE (128U * 1024U)

/* Levels of JSON; the outermost object is the first. docs/protocol.md promises it. */
#define LIMIT_JSON_DEPTH 16U

/* Objects and arrays in one message. json-c needs almost 1 KiB of memory for an empty object of two bytes: without a bound, 128 KiB of
 * them would take 50 MiB. A List reply of LIMIT_MESSAGE has 600. */
#define LIMIT_JSON_CONTAINERS 4096U

/* Objects and arrays in one request; 8 times as many values. No request has 300 values, and one with more would cost everybody the
 * milliseconds that it takes to read it. */
#define LIMIT_REQUEST_CONTAINERS 512U

/* Unanswered requests of one connection. More are not read. docs/protocol.md promises it. */
#define LIMIT_REQUESTS_PER_CONNECTION 64U

/* Objects and arrays in one message of a caller that matches no [Instance]. It may call org.varlink.service alone, whose
 * parameters have none. */
#define LIMIT_STRANGER_CONTAINERS 8U

/* Bytes of one message of such a caller. A longer one is answered as one that is not a message, and its connection is closed: nothing
 * that it may call is as long. */
#define LIMIT_STRANGER_MESSAGE 4096U

/* Bytes that all connections of one user may take of the broker that match no [Instance]. LIMIT_STRANGERS of them that each send a
 * message and read nothing take less. */
#define LIMIT_STRANGER_BYTES (1024U * 1024U)

/* Refusals of one user, before anything was begun, that are recorded in full, in 10 s. The others are counted, and recorded as one number. */
#define LIMIT_DENIALS 10U

/* Questions about one user's callers that are with the supervisor at a time. Of all users together 64 are. */
#define LIMIT_QUESTIONS 8U

/* Bytes of the messages of one connection's unanswered requests. More are not read. Two of the longest messages fit, so that one is read
 * while the other is worked on. The trees of the messages are not counted, because only the parameters are kept. */
#define LIMIT_REQUESTS_BYTES (2U * LIMIT_MESSAGE)

/* Bytes of a nickname in UTF-8. docs/protocol.md promises it. */
#define LIMIT_NICKNAME 128U

/* Bytes of a key's name in a request. A URI fits in which every byte of a nickname and of an id is escaped, with the token. */
#define LIMIT_NAME 4096U

/* Bytes of a distinguished name in a request. The worker accepts less. */
#define LIMIT_SUBJECT 4096U

/* Bytes of any other string in a request: names of tokens, algorithms, curves. An error repeats them. */
#define LIMIT_WORD 256U

/* Bytes of a CKA_ID on a token. A SHA-1 has 20, OpenSC writes 45. A key with a longer id is not listed. */
#define LIMIT_KEY_ID 128U

/* Objects of one token that the broker keeps; a full token has some thousands. A token with more
 * fails, and its status says why. */
#define LIMIT_OBJECTS 100000U

/* Objects of one token whose names are kept although they are gone from it. An operator needs the first ones, and their number. */
#define LIMIT_VANISHED 64U

/* Certificates of one token whose ends the metrics show, those that end first. Each is a time series for whoever collects them. */
#define LIMIT_METRIC_CERTIFICATES 256U

/* Bytes of these objects, certificates for the most part. While a worker is replaced the broker has them twice. LIMIT_OBJECTS keys
 * take more; a token of 10 000 certificates takes 20 MB. */
#define LIMIT_OBJECTS_BYTES (96U * 1024U * 1024U)

/* Slots of a module that are looked at, and mechanisms of a token that are kept. Modules have a few dozen, and a few hundred. */
#define LIMIT_SLOTS      4096U
#define LIMIT_MECHANISMS 8192U

/* Bytes of memory of one worker. Its objects, LIMIT_OBJECTS_BYTES and as much again in the module, take less. A module that takes memory
 * without end costs its own worker. */
#define LIMIT_WORKER_BYTES (1024U * 1024U * 1024U)

/* Milliseconds in timeoutMs at most, and the default. The interface files promise both. */
#define LIMIT_TIMEOUT_MS   600000U
#define DEFAULT_TIMEOUT_MS 30000U
/* Milliseconds that Generate has beyond GenerateTimeout= if timeoutMs is left out. */
#define DEFAULT_GENERATE_EXTRA_MS 30000U

/* Bytes of one Random. proto/io.tokend.Keys.varlink promises it. */
#define LIMIT_RANDOM 4096U

/* Bits of an RSA key that Generate makes. proto/io.tokend.Keys.varlink promises them. */
#define LIMIT_RSA_BITS_MIN 2048U
#define LIMIT_RSA_BITS_MAX 8192U
#define DEFAULT_RSA_BITS   3072U
/* The default curve of an EC key: secp256r1. proto/io.tokend.Keys.varlink promises it. */
#define DEFAULT_EC_BITS 256U

/* Bytes of a CKA_ID that a client chooses, and its hexadecimal digits. Programs choose a hash or a few random bytes. */
#define LIMIT_NEW_ID        64U
#define LIMIT_NEW_ID_DIGITS (2 * LIMIT_NEW_ID)

/* Bytes of OAEP's label, which most leave out. */
#define LIMIT_OAEP_LABEL 1024U

/* Bytes of a point of a curve, or of its SubjectPublicKeyInfo, with room to spare: that of secp521r1 has 158. */
#define LIMIT_PUBLIC_POINT 256U

/* Bytes of a signature. An RSA key of 16384 bits that was made elsewhere gives so many. */
#define LIMIT_SIGNATURE 2048U

/* Bytes of a generic secret. A MAC key has 64, a shared secret of Diffie-Hellman 512. proto/io.tokend.Secrets.varlink promises it. */
#define LIMIT_GENERIC_SECRET 512U

/* Bits of an RSA key that is unwrapped: a KRA has archived keys that were made long ago. */
#define LIMIT_SEALED_RSA_BITS_MIN 1024U

/* Bytes of a sealed key. One of RSA-8192 has 6 KiB: the private key in PKCS #8, the public one, and the names. */
#define LIMIT_SEALED (8U * 1024U)

/* Bytes of a wrapped key. RSA-8192 in PKCS #8 has 4.7 KiB. */
#define LIMIT_WRAPPED (8U * 1024U)

/* Bytes that are encrypted at once, and of what is authenticated beside them. In base64 both fit a message. What is decrypted at once
 * may have 16 bytes more, of padding or of a tag. */
#define LIMIT_CIPHER     (64U * 1024U)
#define LIMIT_CIPHERTEXT (LIMIT_CIPHER + 16U)
#define LIMIT_CIPHER_AAD (16U * 1024U)

/* Bytes that a key is derived with. Dogtag's TKS has 16. */
#define LIMIT_DERIVE_DATA 512U

/* Keys that one session of a worker keeps open after use. A KRA's request has 3 at once. */
#define LIMIT_OPENED 32U

/* Session copies of keys that one session of a worker has. A host has some ten keys; the object of a software token takes some KiB. */
#define LIMIT_SESSION_COPIES 128U

/* Connections to the status socket, of all callers together. Other callers cannot take these from the monitoring. */
#define LIMIT_STATUS_CONNECTIONS 64U

/* Connections to the main socket of all callers together that match no [Instance]. They only learn that they are refused. */
#define LIMIT_STRANGERS 64U

/* Bytes of a certificate in DER that is listed or imported. Most have 1 to 2 KiB. In base64 it fits a reply. */
#define LIMIT_CERTIFICATE (64U * 1024U)

/* Days that SelfSign makes a certificate valid for. A century is more than any CA's root needs. */
#define LIMIT_VALIDITY_DAYS 36500U

/* Claims of other hosts on one token that the status shows. A host has one claim at a time. */
#define LIMIT_CLAIMS 256U

/* Names that a key without a label has from its certificates, beside the one that is shown. It would take as many certificates of one
 * key, each under another nickname. */
#define LIMIT_OTHER_NAMES 64U

/* Certificates of one key that an import replaces at once. A key has one, and a few more where other programs renewed it. */
#define LIMIT_REPLACED 16U

/* Names in one Certificates.Check; DNS names in one certificate or request. */
#define LIMIT_CHECK_NAMES 256U
#define LIMIT_DNS_NAMES   64U

/* Bytes of all configuration files together. */
#define LIMIT_CONFIG (1024U * 1024U)

/* [Token] sections, and as many [Instance] sections. A host has a handful. */
#define LIMIT_SECTIONS 64U

/* Bytes of a PIN. PKCS #11 has no limit; softoken accepts 500. */
#define LIMIT_PIN 512U

/* Bytes of the backup of an internal token: a hundred thousand keys have less. It is in memory as a whole. */
#define LIMIT_BACKUP (256U * 1024U * 1024U)

/* Keys (each with one operation and algorithm) of one token that fail again and again, as the broker remembers them. A token
 * has one or two; where there are more the oldest is tried again. */
#define LIMIT_VERDICTS 32U

/* Sessions= of one token. At least NSS has one of its own, and one works. */
#define LIMIT_SESSIONS_MIN 2U
#define LIMIT_SESSIONS_MAX 256U

/* Bytes of one message between our own processes. A SOCK_SEQPACKET refuses a message that is longer than its send buffer, which has 208 KiB
 * by default. */
#define LIMIT_CHANNEL_MESSAGE (128U * 1024U)
/* Descriptors that may travel with one such message. */
#define LIMIT_CHANNEL_FDS 2U

/* Bytes of one audit record as JSON: a dozen strings, each cut at 1 KiB, a key id and a digest. The number and the two hashes that the
 * file adds are not counted. */
#define LIMIT_AUDIT_RECORD (16U * 1024U)

/* Bytes of audit records that wait for the disk while an fsync runs, or while it is full. */
#define LIMIT_AUDIT_BACKLOG (1024U * 1024U)
