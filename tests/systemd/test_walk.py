# SPDX-License-Identifier: MPL-2.0
"""docs/walk-through.md, typed as it stands, from the token to the certificate that the CA signs."""
import pathlib
import unittest

import machine
import page
from harness import run
from test_devices import ASKED, PIN, SO_PIN

MODULE = "/usr/lib/x86_64-linux-gnu/pkcs11/libtokend-pkcs11.so"


@unittest.skipUnless(pathlib.Path("/usr/lib/x86_64-linux-gnu").is_dir(), "the page has Debian's paths on amd64")
class Walk(machine.Case):
    def test_walk(self):
        """a CA and a KRA, from the device to the first certificate, as the pages say it"""
        run("systemctl", "start", "tokend.service")
        terminal = page.Terminal([(r"enter SO PIN:", SO_PIN), (r"reenter SO PIN:", SO_PIN), (r"enter user PIN:", PIN),
                                  (r"reenter user PIN:", PIN), (ASKED, PIN)])
        blocks = [page.without_installing(block) for block in page.manual_blocks("tokend-devices.7", "SoftHSM2")]
        blocks += page.blocks_of((page.SOURCE / "docs/walk-through.md").read_text())
        script = "\n".join(blocks).replace(MODULE, str(machine.find_installed("libtokend-pkcs11.so")))
        shown = terminal.type_in(script)
        for words in ("refused, as it should be", "instance  ca-admin", "kra.pem: OK", "a secret", "kra-transport"):
            self.assertIn(words, shown)
        signed = [r for r in machine.records("TOKEND_KIND=sign") if r.get("TOKEND_INSTANCE") == "ca"]
        self.assertEqual([r["TOKEND_PEER_UNIT"] for r in signed], ["ca.service"], shown)
        subject = run("openssl", "x509", "-in", "/var/lib/ca/kra.pem", "-noout", "-issuer", "-subject").decode()
        self.assertIn("CN = CA Signing Certificate", subject)
        self.assertIn("CN = KRA Transport Certificate", subject)


class Readme(machine.Case):
    def test_audit(self):
        """README's sections Installing and Audit, in the order of their lines"""
        run("useradd", "--system", "pkiuser")
        text = (page.SOURCE / "README.md").read_text()
        tokens = next(b for b in page.blocks_of(text.split("## Installing")[1]) if b.startswith("[Token hsm]"))
        machine.configure(tokens)
        run("systemctl", "start", "tokend.service")
        terminal, shown = page.Terminal(), ""
        blocks = page.blocks_of(text.split("## Audit and metrics")[1].split("## Map")[0])
        self.assertEqual([b.startswith("# ") for b in blocks], [True, False, True])
        for block in blocks:
            if block.startswith("# "):
                shown += terminal.type_in(block.replace("# ", "", 1).replace("\n# ", "\n"))
            else:
                machine.configure(tokens + block)
        self.assertIn("hsm    audit", shown)
        self.assertTrue(machine.status()["audit"]["ok"], machine.status()["audit"])


class Manual(machine.Case):
    def test_examples(self):
        """the examples of tokend.conf(5), in the order of their lines"""
        run("useradd", "--system", "pkiuser")
        terminal = page.Terminal([(r"enter SO PIN:", SO_PIN), (r"reenter SO PIN:", SO_PIN), (r"enter user PIN:", PIN),
                                  (r"reenter user PIN:", PIN), (ASKED, PIN)])
        token, credential = page.manual_blocks("tokend-devices.7", "SoftHSM2")[:2]
        terminal.type_in(page.without_installing(token) + credential)
        unit, ca, two = page.manual_blocks("tokend.conf.5", "EXAMPLES")
        machine.drop_in("example.conf", unit)
        machine.configure(ca)
        run("systemctl", "start", "tokend.service")
        self.assertEqual({t["name"]: t["state"] for t in machine.status()["tokens"]}, {"hsm": "ready", "internal": "ready"})
        machine.configure(two)
        run("tokend", "--check")
