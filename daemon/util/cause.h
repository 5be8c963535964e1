/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Why a token does not work, by what ended its worker: in a word, in a sentence, and what to do about it. The one table of it: the log
 * and the journal, the errors of clients and the table of remedies are made from it. Pure.
 */
#pragma once

/* X(number, word, what it means, what to do). The numbers are those of enum worker_end. */
#define CAUSE_LIST(X)                                                                                        \
        X(CAUSE_ABSENT, "absent", "its device is not there, or its token is not in it",                      \
                "Connect the device or start its service, or correct Uri= of its [Token] and `systemctl "    \
                "reload tokend`: `tokendctl doctor` prints the tokens that the module shows. tokend goes "   \
                "on asking by itself.")                                                                      \
        X(CAUSE_PIN, "pin", "its PIN was refused, or cannot be had",                                         \
                "Correct what Pin= of its [Token] names, then `tokendctl retry TOKEN`, which makes one "     \
                "attempt; where the PIN is a credential, `systemctl restart tokend`. No other attempt is "   \
                "made until then.")                                                                          \
        X(CAUSE_DEVICE, "device", "its device or its module failed",                                         \
                "Look after the device and after what its module needs (files, groups, services): "          \
                "`tokendctl doctor` tries it. tokend goes on trying by itself.")                             \
        X(CAUSE_HUNG, "hung", "a call to its device did not return in time",                                 \
                "Look after the device, or raise Timeout= of its [Token] if it is only slow. tokend goes "   \
                "on trying by itself.")                                                                      \
        X(CAUSE_ERROR, "error", "its module, its PIN or its section cannot be used",                         \
                "Correct what the reason says in its [Token]: `tokendctl doctor` tries it, and "             \
                "`journalctl -u tokend` has the module's own messages. tokend goes on trying by itself.")    \
        X(CAUSE_FULL, "full", "it has more objects than tokend keeps",                                       \
                "Remove objects from the token, then `systemctl reload tokend`.")                            \
        X(CAUSE_STORE, "store", "its databases are not there, or cannot be used",                            \
                "Mount or restore what the reason says, for the user that tokend runs as: then the token "   \
                "comes back by itself. If its keys are lost for good, `tokendctl make-anew TOKEN --yes` "    \
                "makes a new, empty one.")

enum cause {
        CAUSE_NONE,
#define X(number, word, sentence, next) number,
        CAUSE_LIST(X)
#undef X
        CAUSE_MAX_
};

struct cause_info {
        const char *word, *sentence, *next;
};

/* NULL: there is no cause, or none of this number. */
const struct cause_info *cause_find(unsigned number);
