# SPDX-License-Identifier: MPL-2.0
"""What is installed names what is there: links of pages, files in manual pages, and the address for reports."""
import os
import pathlib
import re

from harness import PLAIN, ROOT, Case, run


class Installed(Case):
    @classmethod
    def configure(cls):
        """The files and their places, as `make install` would put them: nothing is installed, since others build here."""
        said = run("make", "-n", "-s", "-C", ROOT, "install", f"BUILD={PLAIN}", "DESTDIR=/ROOT", "PREFIX=/usr",
                   env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SANITIZE")}).decode()
        cls.files = {pathlib.PurePath(place): ROOT / source
                     for source, place in re.findall(r"-D -m 644 (\S+) /ROOT(/[^\s;]+)", said)}
        cls.places = set(cls.files) | {parent for place in cls.files for parent in place.parents}

    def test_links(self):
        """each link of each page leads to a page that is installed"""
        n = 0
        for page, source in self.files.items():
            for link in re.findall(r"\]\(([^)#\s]+)", source.read_text()) if page.suffix == ".md" else ():
                if ":" in link:
                    continue
                n += 1
                self.assertIn(pathlib.PurePath(os.path.normpath(page.parent / link)), self.places, f"{page}: {link}")
                # A package may have the licence elsewhere.
                self.assertNotIn("LICENSE", link)
        self.assertGreater(n, 50)

    def test_files_in_manual_pages(self):
        """each file of /usr/share that a manual page names is installed"""
        named = set()
        for page, source in self.files.items():
            if "man" not in page.parts:
                continue
            text = source.read_text()
            named |= set(re.findall(r"/usr/share/(?:doc/tokend|varlink|tokend)[\w./-]*", text))
        self.assertIn("/usr/share/doc/tokend/docs/protocol.md", named)
        for path in named:
            self.assertIn(pathlib.PurePath(path.rstrip("/.")), self.places)

    def test_address(self):
        """one address, which is not one that cannot be, stands wherever one is wanted"""
        found = {}
        for name in ("SECURITY.md", "debian/control", "debian/changelog", "packaging/tokend.spec"):
            text = (ROOT / name).read_text()
            self.assertNotIn(".invalid", text, name)
            found[name] = set(re.findall(r"[\w.+-]+@[\w.-]+\w", text))
        self.assertEqual(len(set().union(*found.values())), 1, found)
        self.assertTrue(all(found.values()), found)
