/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: clients on socket pairs. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/model/registry.h"
#include "tests/unit/bench.h"

#define UID 4242U

/* Of 32 bytes. */
#define DIGEST "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
/* Of 256. */
#define A64        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define CIPHERTEXT A64 A64 A64 A64 A64 "AAAAAAAAAAAAAAAAAAAAAA=="
/* As far as the broker reads it: SubjectPublicKeyInfo in its place, all else empty. */
#define CERTIFICATE "MBowEwIBATAAMAAwADAAMAYwAAMCAFUwAAMBAA=="
#define RENEWED     "MDswEwIBAjAAMAAwADAAMAYwAAMCAFUwAAMiAAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw=="

#define CALL(interface, method, parameters)                                                                  \
        "{\"method\":\"io.tokend." interface "." method "\",\"parameters\":{" parameters "}"
#define TEXT(name, value) "\"" name "\":\"" value "\""
#define TEMPLATE(type, length, usage)                                                                        \
        "\"template\":{" TEXT("type", type) ",\"length\":" length ",\"usage\":[\"" usage "\"]}"

/* A @ stands for a sealed key. */
static const char *const calls[N_WHAT] = {
        [DO_SIGN] = CALL("Keys", "Sign",
                TEXT("key", "hsm:key") "," TEXT("algorithm", "ecdsa_sha256") "," TEXT("digest", DIGEST)),
        [DO_DECRYPT] = CALL("Keys", "Decrypt",
                TEXT("key", "hsm:rsa") "," TEXT("algorithm", "rsa_pkcs1") "," TEXT("ciphertext", CIPHERTEXT)),
        [DO_DERIVE] = CALL("Keys", "Derive", TEXT("key", "hsm:key") "," TEXT("publicKey", DIGEST)),
        [DO_VERIFY] = CALL("Keys", "Verify",
                TEXT("key", "hsm:key") "," TEXT("algorithm", "ecdsa_sha256") "," TEXT(
                        "digest", DIGEST) "," TEXT("signature", "AAAA")),
        [DO_GENERATE] = CALL("Keys", "Generate",
                TEXT("token", "hsm") "," TEXT("nickname", "new") "," TEXT(
                        "type", "ec") ",\"timeoutMs\":30000"),
        [DO_DELETE] = CALL("Keys", "Delete", TEXT("key", "hsm:key")),
        [DO_IMPORT] = CALL("Certificates", "Import",
                TEXT("token", "hsm") "," TEXT("nickname", "cert") "," TEXT("certificate", CERTIFICATE)),
        [DO_REPLACE] = CALL("Certificates", "Import",
                TEXT("token", "hsm") "," TEXT("nickname", "old") "," TEXT(
                        "certificate", RENEWED) ",\"replace\":true"),
        [DO_RENAME] = CALL("Keys", "Rename", TEXT("key", "hsm:key") "," TEXT("nickname", "newer")),
        [DO_LIST] = CALL("Keys", "List", TEXT("token", "hsm")),
        [DO_RANDOM] = CALL("Keys", "Random", "\"length\":16"),
        [DO_SEAL] = CALL("Secrets", "Generate",
                TEXT("token", "hsm") "," TEMPLATE("aes", "32", "wrap") ",\"timeoutMs\":30000"),
        [DO_STORE] = CALL("Secrets", "Generate",
                TEXT("token", "hsm") "," TEXT("nickname", "master") "," TEMPLATE(
                        "aes", "32", "encrypt") ",\"timeoutMs\":30000"),
        [DO_DISCARD] = CALL("Secrets", "Delete", TEXT("secret", "hsm:secret")),
        [DO_UNWRAP] = CALL("Secrets", "Unwrap",
                TEXT("key", "hsm:rsa") "," TEXT("algorithm", "rsa_pkcs1") "," TEXT(
                        "wrapped", CIPHERTEXT) "," TEMPLATE("aes", "16", "unwrap")),
        [DO_WRAP] = CALL("Secrets", "Wrap",
                TEXT("publicKey", DIGEST) "," TEXT("algorithm", "rsa_pkcs1") "," TEXT("secret", "@")),
        [DO_AGREE] = CALL("Secrets", "Derive",
                TEXT("key", "hsm:key") "," TEXT("algorithm", "ecdh") "," TEXT(
                        "publicKey", DIGEST) "," TEMPLATE("generic", "32", "derive")),
        [DO_ENCRYPT] = CALL("Secrets", "Encrypt",
                TEXT("key", "@") "," TEXT("algorithm", "aes_ecb") "," TEXT("plaintext", DIGEST)),
        [DO_DECIPHER] = CALL("Secrets", "Decrypt",
                TEXT("key", "hsm:secret") "," TEXT("algorithm", "aes_ecb") "," TEXT("ciphertext", DIGEST)),
        [DO_SIGN_SEALED] = CALL("Secrets", "Sign",
                TEXT("key", "@") "," TEXT("algorithm", "ecdsa_sha256") "," TEXT("digest", DIGEST)),
};

const char *call_of(enum bench_what what, bool oneway)
{
        static char text[1024];
        const char *call = calls[what], *at = strchr(call, '@');
        int before = at ? (int)(at - call) : 0;

        snprintf(text, sizeof(text), "%.*s%s%s%s}", before, call, at ? bench_sealed_text() : "",
                at ? at + 1 : call, oneway ? ",\"oneway\":true" : "");
        return text;
}

const char *call_sign(void)
{
        return CALL("Keys", "Sign",
                TEXT("key", "hsm:plain") "," TEXT("algorithm", "ecdsa_sha256") "," TEXT(
                        "digest", DIGEST) ",\"timeoutMs\":600000") "}";
}

const char *call_random(unsigned length)
{
        static char text[128];

        snprintf(text, sizeof(text), CALL("Keys", "Random", "\"length\":%u") "}", length);
        return text;
}

void client_open(struct stage *stage, struct fake_client *client)
{
        struct broker *broker = &stage->broker;
        struct caller *caller = calloc(1, sizeof(*caller));
        int fds[2], size = 4096;

        client->fd = -1;
        client->connection = NULL;
        client->deaf = client->closed = false;
        client->n = client->length = 0;
        if (!caller || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
                free(caller);
                return;
        }
        (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        *caller = (struct caller){
                .refs = 1, .uid = UID, .gid = UID, .pid = 1, .account = account_of(&broker->accounts, UID)};
        client->fd = fds[1];
        (void)connection_new(&broker->keys, fds[0], caller,
                broker->config
                        ? registry_instance(broker, policy_match(broker->config, caller, broker->own_uid))
                        : NULL,
                false, &client->connection);
}

struct connection *client_connection(const struct stage *stage, const struct fake_client *client)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&stage->broker.connections)
        {
                struct connection *c = LINK_OF(at, struct connection, link);

                if (c == client->connection)
                        return c;
        }
        return NULL;
}

void client_close(struct fake_client *client)
{
        closep(&client->fd);
        client->fd = -1;
        client->connection = NULL;
}

void client_call(struct stage *stage, struct fake_client *client, const char *text)
{
        if (client->fd >= 0)
                (void)send(client->fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        stage_run(stage);
}

static void take_reply(struct stage *stage, struct fake_client *client, const char *text)
{
        static const char begin[] = "{\"error\":\"";
        char name[128];
        const char *end;

        BENCH_CHECK(stage, client->n < ARRAY_SIZE(client->replies));
        if (client->n >= ARRAY_SIZE(client->replies))
                return;
        client->replies[client->n].error = PROTO_OK;
        client->replies[client->n].executed = strstr(text, "\"executed\":true") != NULL;
        if (strncmp(text, begin, strlen(begin)) == 0) {
                end = strchr(text + strlen(begin), '"');
                snprintf(name, sizeof(name), "%.*s", (int)(end ? end - text - (ptrdiff_t)strlen(begin) : 0),
                        text + strlen(begin));
                client->replies[client->n].error = proto_error_from_name(name);
                BENCH_CHECK(stage, client->replies[client->n].error != PROTO_OK);
        } else
                BENCH_CHECK(stage, strncmp(text, "{\"parameters\":{", 15) == 0);
        client->n++;
}

static void take_replies(struct stage *stage, struct fake_client *client)
{
        char *end;

        while ((end = memchr(client->text, '\0', client->length))) {
                take_reply(stage, client, client->text);
                client->length -= (size_t)(end - client->text) + 1;
                memmove(client->text, end + 1, client->length);
        }
}

bool client_read(struct stage *stage, struct fake_client *client)
{
        bool any = false;

        while (client->fd >= 0 && !client->deaf && !client->closed) {
                ssize_t n = recv(client->fd, client->text + client->length,
                        sizeof(client->text) - client->length, MSG_DONTWAIT);

                if (n < 0)
                        return any;
                client->closed = n == 0;
                if (client->closed)
                        client->connection = NULL;
                client->length += (size_t)n;
                take_replies(stage, client);
                any = true;
        }
        return any;
}
