/* SPDX-License-Identifier: MPL-2.0 */
/* The table. Each line is in tokendctl(1) too, word for word. */
#include "proto/remedy.h"

#include <string.h>

#include "daemon/util/cause.h"
#include "daemon/util/macros.h"

const struct remedy remedies[] = {
        /* PermissionDenied, by its reason */
        {"no-instance", "no [Instance] of tokend.conf matches you",
                "`tokendctl whoami` says as whom the daemon sees you, and `journalctl -u tokend` which "
                "[Instance] comes nearest. "
                "An [Instance] with Unit= is for the processes of that unit alone, not for a shell of its "
                "user."},
        {"not-allowed", "Allow= of your [Instance] does not have this operation",
                "`tokendctl whoami` prints what you may do. To permit more, add the operation to Allow= of "
                "the [Instance] in "
                "tokend.conf, then `systemctl reload tokend`."},
        {"not-this-key", "Keys= of your [Instance] does not have this nickname, or the key is another's",
                "`tokendctl whoami` prints your Keys=. Choose a nickname that one of these patterns matches, "
                "or add a pattern in "
                "tokend.conf, then `systemctl reload tokend`."},
        {"audit-key", "the key that signs the audit (AuditKey=) and its name are nobody's to use",
                "Use another key or nickname. To use this key, name another one in AuditKey= of tokend.conf, "
                "then "
                "`systemctl reload tokend`."},
        {"not-its-usage", "the sealed key was not made for this",
                "Make or unwrap the key with the operation among `--usage`."},
        {"not-operator", "only root and the daemon's own user may do this", "Do it as root."},
        /* io.tokend.Keys, io.tokend.Certificates, io.tokend.Secrets */
        {"KeyNotFound", NULL,
                "`tokendctl list` prints the keys that you may see. As root, `tokendctl may list KEY --as "
                "USER` says whether the key "
                "is there, and Keys= keeps it from that user."},
        {"CertificateNotFound", NULL, "`tokendctl certs` prints the certificates that you may see."},
        {"SecretNotFound", NULL, "`tokendctl secrets` prints the secret keys that you may see."},
        {"TokenNotFound", NULL, "`tokendctl tokens` prints the tokens that you may use."},
        {"AmbiguousName", NULL,
                "`tokendctl list` prints the ids. Name the object as pkcs11:token=LABEL;id=%01%02, with each "
                "byte of the id behind a %."},
        {"NicknameExists", NULL,
                "To renew the certificate of a key, `tokendctl import KEY FILE --replace`. Otherwise choose "
                "another "
                "nickname, or delete what bears it first, with `tokendctl delete` or `tokendctl "
                "delete-cert`."},
        {"AlgorithmNotSupported", NULL,
                "`tokendctl list` prints the type of the key, and `tokendctl --json tokens` what the device "
                "can do."},
        /* TokenUnavailable, and the status, by the state of the token */
        {"starting", "the token is not ready yet", "Wait until it is: `tokendctl status --watch` shows it."},
        {"recovering", "the token was lost, or is not there",
                "tokend goes on trying by itself. Bring the device back, or correct Module=, Uri= or Pin= of "
                "its [Token] as the "
                "reason says; `journalctl -u tokend` has the module's own messages."},
        {"failed", "the token does not work until somebody acts",
                "Correct what the reason says: in its [Token], then `systemctl reload tokend`; in the file "
                "of the PIN, then `tokendctl retry TOKEN`, which makes one attempt; in a credential, then "
                "`systemctl restart tokend`. Mount or restore databases that are gone: tokend sees them by "
                "itself."},
        {"disabled", "an operator took the token out of service",
                "`tokendctl status` says who did. `tokendctl enable TOKEN` starts it again."},
/* Likewise, where its cause is known. */
#define X(number, word, sentence, next) {word, sentence, next},
        CAUSE_LIST(X)
#undef X
                {"TokenUnavailable", NULL,
                        "`tokendctl status` says why. The module's own messages are in `journalctl -u "
                        "tokend`."},
        {"TokenError", NULL,
                "`tokendctl probe TOKEN` asks the device itself. The module's own messages are in "
                "`journalctl -u tokend`."},
        {"Overloaded", NULL,
                "Try again later. If it lasts, `tokendctl status` shows what waits; MaxQueued= and Sessions= "
                "of tokend.conf(5) bound it."},
        {"DeadlineExceeded", NULL,
                "`tokendctl status` shows what the token is busy with. If it is slow, give more time with "
                "--timeout."},
        {"OutcomeUnknown", NULL,
                "Look whether it was done, with `tokendctl list` or `tokendctl certs`, before you do it "
                "again."},
        {"WorkerLost", NULL,
                "Do not repeat it as it is: it may end the module's process each time. `journalctl -u "
                "tokend` says how it ended."},
        {"NotACertificate", NULL,
                "Give one X.509 certificate, as DER or as one block of PEM. `openssl x509 -in FILE -text` "
                "shows it."},
        {"NotOurSeal", NULL,
                "Use the sealed key as the [Instance] and on the token for which it was made, and "
                "unchanged."},
        {"ClaimNotFound", NULL, "`tokendctl status` prints the claims that lie on the tokens."},
        {"AuditUnavailable", NULL,
                "Make room on the disk, or look after systemd-journald.service: tokend tries again by "
                "itself, twice a second. `tokendctl "
                "status` says since when and why."},
        /* org.varlink.service */
        {"InterfaceNotFound", NULL,
                "Is the daemon older than this program, or is this its other socket? `tokendctl status` "
                "prints its version."},
        {"MethodNotFound", NULL,
                "Is the daemon older than this program? `tokendctl status` prints its version; restart it "
                "after an upgrade."},
        {"MethodNotImplemented", NULL, "Call the method without `upgrade`."},
        {"InvalidParameter", NULL, "Correct the value. `tokendctl help VERB` says what the verb takes."},
        {"ExpectedMore", NULL, "Call the method with `more`, and take several replies."},
        /* libtokend */
        {"CannotConnect", NULL,
                "Is tokend running, and may you use its socket? `systemctl status tokend.socket "
                "tokend.service` says it; `journalctl -u "
                "tokend` says why it does not start."},
        {"TimedOut", NULL,
                "`systemctl status tokend.service` says whether it runs, and `journalctl -u tokend` why it "
                "does not start."},
        {"ProtocolViolation", NULL, "Is this the socket of tokend? See --socket and TOKEND_SOCKET."},
        {"NoMemory", NULL, "Free memory, and try again."},
        {"InvalidArgument", NULL, "Correct the value. `tokendctl help VERB` says what the verb takes."},
        {"OtherError", NULL, "Is the daemon newer than this program? `tokendctl status` prints its version."},
};
const size_t n_remedies = ARRAY_SIZE(remedies);

const struct remedy *remedy_find(const char *word)
{
        for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
                if (strcmp(remedies[i].word, word) == 0)
                        return &remedies[i];
        return NULL;
}
