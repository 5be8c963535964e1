/* SPDX-License-Identifier: MPL-2.0 */
/* The numbers that fields of our messages carry (message.h), and what is known of each operation. */
#pragma once

/* How a request ended, in the worker. What the client is told is the broker's to decide. */
enum reply_status {
        REPLY_OK = 1,
        REPLY_CKR,      /* the token said no to this request; ckr says how */
        REPLY_KEY_GONE, /* the object is not on the token any more */
        REPLY_NICKNAME_EXISTS,
        REPLY_NOT_SUPPORTED, /* the token has no such mechanism, or the key does not allow it */
        REPLY_BUSY,          /* sessions or memory of the device ran out, twice */
        REPLY_DEVICE_LOST, /* class device: the worker ends itself after this; not executed as far as known */
        REPLY_PIN,         /* class PIN: likewise */
        REPLY_WORKER_LOST, /* the call outlived its deadline: the worker ends itself after this */
        REPLY_OUTCOME_UNKNOWN, /* the operation that changes the token failed, and what it left cannot be told */
        REPLY_INVALID,         /* the worker refused what it was given: parameter and text say what and why */
        REPLY_CLAIMED,         /* another host claims the nickname: again, with waits, after a random pause */
        REPLY_NOT_OUR_SEAL,    /* a sealed key of another instance or token, or one that was changed */
        REPLY_NOT_ITS_USAGE, /* the key is not for this; text is the word of Allow= */
        REPLY_INTERNAL, /* the worker had no memory, or NSS failed; the token is not at fault, and nothing was done */
        REPLY_STATUS_MAX_,
};

/* What the broker may do with an operation. */
enum operation_class {
        CLASS_REQUEST =
                1, /* a client asked for it: it counts among the token's requests, and waits for its instance's turn */
        CLASS_REPEATED = 2, /* it changes nothing: where its worker dies, the next one gets it */
        CLASS_CHANGES = 4,  /* it changes the token: never run twice, and one of these is out at a time */
        CLASS_SETTLED =
                8, /* of these: SETTLE asks what became of it; of the others the next directory shows it */
        CLASS_NAMES = 16,  /* it gives a nickname, which another host may claim */
        CLASS_OBJECT = 32, /* it is about an object of the directory */
};

/* The payload of an OK reply. */
enum operation_answer {
        ANSWER_NOTHING,
        ANSWER_SIGNATURE,
        ANSWER_PLAINTEXT,   /* of an RSA key: less than its modulus has, or nothing */
        ANSWER_COORDINATE,  /* as long as one of the key's curve */
        ANSWER_FLAG,        /* one byte, 0 or 1 */
        ANSWER_RANDOM,      /* as many bytes as were asked for */
        ANSWER_DER,         /* a SEQUENCE */
        ANSWER_KEY,         /* the number (u64) of the key that was made: its ENTRY came before */
        ANSWER_CERTIFICATE, /* likewise of the certificate */
        ANSWER_SECRET,      /* likewise of the secret key */
        ANSWER_SEALED, /* a sealed key, and of a private one its SubjectPublicKeyInfo, or nothing; bytes each */
        ANSWER_WRAPPED,  /* a wrapped key */
        ANSWER_CIPHERED, /* what was encrypted or decrypted */
        ANSWER_COPY, /* the number of the copy, and of the copy that had to go for it (0: none); u64 each */
};

enum object_kind {
        OBJECT_KEY = 1,
        OBJECT_CERTIFICATE = 2,
        OBJECT_SECRET = 3,
};

enum object_flag {
        FLAG_SENSITIVE = 1,
        FLAG_EXTRACTABLE = 2,
        FLAG_NEVER_EXTRACTABLE = 4,
        FLAG_LOCAL = 8,
        FLAG_HAS_CERTIFICATE = 16,  /* of a key: a certificate of its CKA_ID is on the token */
        FLAG_HAS_PRIVATE_KEY = 32,  /* of a certificate */
        FLAG_ALWAYS_SENSITIVE = 64, /* of a key: it was made on a token, and was never to be read */
};

/* As in Status.Token.state, in this order. */
enum token_state {
        TOKEN_STARTING = 1,
        TOKEN_READY,
        TOKEN_RECOVERING,
        TOKEN_FAILED,
        TOKEN_DISABLED,
        TOKEN_STATE_MAX_,
};

/* What an operator may have done with one token. */
enum maintenance {
        MAINTENANCE_RETRY = 1, /* what failed is tried once more, with one attempt of the PIN */
        MAINTENANCE_DRAIN,     /* its worker finishes what it has, and ends */
        MAINTENANCE_DISABLE,   /* its worker ends */
        MAINTENANCE_ENABLE,
        MAINTENANCE_MAX_,
};

/* What a look for a nickname saw; a mask. */
enum seen {
        SEEN_OWN_CLAIM = 1,   /* in both searches */
        SEEN_CLAIM = 2,       /* another's */
        SEEN_LOWER_CLAIM = 4, /* another's that comes before ours, or cannot be read */
        SEEN_OBJECT = 8,      /* a key or a certificate that bears the nickname */
        SEEN_ALL_ = 15,
};

/* What counts as bearing a nickname that is to be given. */
enum nickname_scope {
        SCOPE_ALL = 0,
        SCOPE_OTHERS = 1,       /* but for the keys of one id, which are to have it */
        SCOPE_CERTIFICATES = 2, /* certificates alone: one is to be made for a key that bears it */
};

/* What a worker process is started for. */
enum look_kind {
        LOOK_NONE = 0, /* to serve */
        LOOK_LIST =
                1, /* to send HELLO, kind and id of what a fresh process sees on the token, SETTLED, and end */
        LOOK_SEEK = 2, /* to read SEEK, the second message, answer it with SOUGHT, and end */
};

/* Why a worker ends itself (worker -> supervisor), which decides when the next one starts. */
enum worker_end {
        WORKER_END_ABSENT = 1, /* no such token: again every 500 ms */
        WORKER_END_PIN,        /* the PIN was refused, or must not be tried: never again by itself */
        WORKER_END_DEVICE, /* the device was lost in use: at once; or it does not let a worker start: again every 500 ms */
        WORKER_END_HUNG,  /* a call outlived its deadline: at once */
        WORKER_END_ERROR, /* anything else: back-off */
        /* Its own word, or the broker's of it (REPLACE). */
        WORKER_END_FULL, /* the token has more objects than are kept: never again by itself */
        /* The databases of an internal token are not there, or not to be used: an operator must act, and it is seen by itself. */
        WORKER_END_STORE,
};

enum listen_kind {
        LISTEN_KEYS = 1,
        LISTEN_STATUS = 2,
};
