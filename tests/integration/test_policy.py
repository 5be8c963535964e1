# SPDX-License-Identifier: MPL-2.0
"""Who may do what. Callers of other users are made by a child that connects and hands its connection over."""
import os
import unittest

import varlink
from harness import Case, SoftToken, until
from varlink import Client, b64

CA, OCSP, ADMIN, STRANGER, PKI_GROUP = 61001, 61002, 61003, 61009, 62001
DIGEST = b64(bytes(32))

INSTANCES = f"""
[Instance ca]
User={CA}
Token=one
OtherTokens=two
Keys="*cert-ca CA" "tls*"
Allow=list sign verify generate delete

[Instance ocsp]
User={OCSP}
Group={PKI_GROUP}
Token=two
Keys=*
MaxConnections=3

[Instance admin]
User={ADMIN}
Keys=*
Allow=list sign verify random generate delete
"""


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Policy(Case):
    @classmethod
    def configure(cls):
        one, two = SoftToken(cls.place, "one"), SoftToken(cls.place, "two")
        cls.daemon = cls.start(one.section() + two.section(), instances=INSTANCES)
        with cls.as_user(ADMIN) as admin:
            for token, nickname in (("one", "signing cert-ca CA"), ("one", "other"), ("two", "tls"), ("two", "secret")):
                admin.call("Generate", token=token, nickname=nickname, type="ec")

    @classmethod
    def as_user(cls, uid, *groups):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid, groups))

    def test_list(self):
        """List shows the keys of the globs, on the instance's tokens, and no others"""
        with self.as_user(CA) as ca:
            self.assertEqual(sorted(k["nickname"] for k in ca.call("List")["keys"]), ["signing cert-ca CA", "tls"])
        with self.as_user(OCSP, PKI_GROUP) as ocsp:
            self.assertEqual(sorted(k["nickname"] for k in ocsp.call("List")["keys"]), ["secret", "tls"])

    def test_invisible(self):
        """a key outside what the caller may see does not exist for it: KeyNotFound"""
        with self.as_user(CA) as ca:
            for method, more in (("Get", {}), ("Delete", {}), ("Sign", {"algorithm": "ecdsa_sha256", "digest": DIGEST})):
                for key in ("one:other", "two:secret", "one:nothing", "pkcs11:token=one;object=other"):
                    self.fails("KeyNotFound", ca.call, method, key=key, **more)

    def test_invisible_by_id(self):
        """a key named by its id is judged by its nickname"""
        with self.as_user(ADMIN) as admin:
            key = admin.call("Get", key="one:other")["key"]
        uri = "pkcs11:token=one;id=" + "".join("%" + key["id"][i:i + 2] for i in range(0, len(key["id"]), 2))
        with self.as_user(CA) as ca:
            self.fails("KeyNotFound", ca.call, "Get", key=uri)

    def test_token_outside(self):
        """a token that is not the instance's is TokenNotFound, as one that nobody has"""
        with self.as_user(OCSP, PKI_GROUP) as ocsp:
            for token in ("one", "nowhere"):
                self.assertEqual(self.fails("TokenNotFound", ocsp.call, "List", token=token), {"token": token})
            self.fails("KeyNotFound", ocsp.call, "Get", key="one:other")

    def test_own_token(self):
        """a nickname alone is on the instance's Token=; what lies on the others must be named with its token"""
        with self.as_user(CA) as ca:
            ca.call("Get", key="signing cert-ca CA")
            self.fails("KeyNotFound", ca.call, "Get", key="tls")
            self.assertEqual(ca.call("Get", key="two:tls")["key"]["token"], "two")

    def test_may_not(self):
        """PermissionDenied: an operation that Allow= does not have, on a key that is seen"""
        with self.as_user(OCSP, PKI_GROUP) as ocsp:
            ocsp.call("Sign", key="tls", algorithm="ecdsa_sha256", digest=DIGEST)
            self.assertEqual(self.fails("PermissionDenied", ocsp.call, "Delete", key="tls"), {"operation": "delete"})
            self.assertEqual(self.fails("PermissionDenied", ocsp.call, "Generate", nickname="x", type="ec"), {"operation": "generate"})
            self.assertEqual(self.fails("PermissionDenied", ocsp.call, "Random", length=1), {"operation": "random"})

    def test_generate_outside_globs(self):
        """PermissionDenied: a key is generated only under a nickname that Keys= has"""
        with self.as_user(CA) as ca:
            self.assertEqual(self.fails("PermissionDenied", ca.call, "Generate", nickname="evil", type="ec"), {"operation": "generate"})
            key = ca.call("Generate", nickname="new cert-ca CA", type="ec")["key"]
            self.assertEqual(key["token"], "one")
            ca.call("Delete", key="new cert-ca CA")

    def test_stranger(self):
        """a caller that matches no instance is refused everything, root too"""
        for uid in (STRANGER, 0):
            with self.as_user(uid) as stranger:
                for method, more in (("List", {}), ("Get", {"key": "two:tls"}), ("Random", {"length": 1}),
                                     ("Sign", {"key": "two:tls", "algorithm": "ecdsa_sha256", "digest": DIGEST})):
                    self.fails("PermissionDenied", stranger.call, method, **more)

    def test_every_key_must_match(self):
        """User= and Group= must both match; a supplementary group counts"""
        with self.as_user(OCSP) as ocsp:
            self.fails("PermissionDenied", ocsp.call, "List")
        with self.as_user(OCSP, 5, PKI_GROUP) as ocsp:
            ocsp.call("List")

    def test_max_connections(self):
        """MaxConnections=: one more is closed, and a place that becomes free is given again"""
        clients = [self.as_user(OCSP, PKI_GROUP) for _ in range(3)]
        for client in clients:
            client.call("List")
        with self.as_user(OCSP, PKI_GROUP) as one_more:
            try:
                one_more.send("List", {})
            except BrokenPipeError:
                pass
            self.assertEqual(one_more.closed(), [])
        with self.as_user(CA) as ca:
            ca.call("List")
        clients.pop().close()
        until(lambda: next(i["connections"] for i in self.daemon.status()["instances"] if i["name"] == "ocsp") == 2,
              "the place is free")
        with self.as_user(OCSP, PKI_GROUP) as again:
            again.call("List")
        for client in clients:
            client.close()

    def test_strangers_limit(self):
        """LIMIT_STRANGERS: callers that match no instance have 64 connections together, and take no one else's"""
        clients = []
        try:
            for _ in range(64):
                clients.append(self.as_user(STRANGER))
            self.fails("PermissionDenied", clients[-1].call, "List")
            with self.as_user(STRANGER) as one_more:
                self.assertEqual(one_more.closed(), [])
            with self.as_user(CA) as ca:
                ca.call("List")
        finally:
            for client in clients:
                client.close()

    def test_denied_is_counted(self):
        """the status counts what an instance was denied"""
        denied = lambda: next(i for i in self.daemon.status()["instances"] if i["name"] == "ca")["denied"]
        before = denied()
        with self.as_user(CA) as ca:
            self.fails("PermissionDenied", ca.call, "Random", length=1)
        self.assertEqual(denied(), before + 1)

    def test_status_socket_mode(self):
        """the keys' socket is for everybody, the status socket for its group"""
        self.assertEqual(os.stat(self.daemon.socket).st_mode & 0o777, 0o666)
        self.assertEqual(os.stat(self.daemon.status_socket).st_mode & 0o777, 0o660)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class NoInstance(Case):
    @classmethod
    def configure(cls):
        cls.daemon = cls.start(SoftToken(cls.place, "hsm").section())

    def test_root_alone(self):
        """with no [Instance], root may do everything and another user nothing"""
        self.daemon.call("Generate", nickname="k", type="ec")
        with Client(sock=varlink.connect_as(self.daemon.socket, STRANGER, STRANGER)) as stranger:
            self.fails("PermissionDenied", stranger.call, "List")
            self.fails("PermissionDenied", stranger.call, "Sign", key="k", algorithm="ecdsa_sha256", digest=DIGEST)
