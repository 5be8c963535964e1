# SPDX-License-Identifier: MPL-2.0
"""Texts that are made to deceive a reader or to break what they are written into, and what may come out of a program that was
given them: UTF-8 whose every character is seen, and nothing that a terminal acts on."""
import json
import os
import pty
import re
import subprocess
import unicodedata

# What each is made to do, and its bytes.
PIECES = {
    "clears the screen": b"\x1b[2J\x1b[H",
    "sets the title": b"\x1b]0;owned\x07",
    "C1 controls": "\u009b2J\u0085\u009dx\u009c".encode(),
    "NUL": b"a\0b",
    "a forged line": b"a\n<0>tokend[1]: forged\nMAINPID=1\nMESSAGE=forged",
    "carriage return, tab, backspace": b"good\rbad\t\x08\x0b\x0c\x7f",
    "right to left": "\u202egpj.exe\u202c\u2067x\u2069\u061c\u200f".encode(),
    "separators of lines": "a\u2028b\u2029c".encode(),
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg".encode(),
    "tags and selectors": "\U000e0041\U000e007f\ufe0f\u180e\u3164".encode(),
    "no UTF-8": b"a\xff\xfe\x80b",
    "overlong": b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80\xf8\x88\x80\x80\x80",
    "cut": b"x\xe2\x82",
    "no characters": "\ufdd0\uffff\U0010ffff\ufff9".encode(),
    "quotes": b"\"'`\\\"\\",
    "JSON": b'","good":true},{"x":"\\u0000\\',
    "a metric": b'"} 1\n# EOF\ntokend_up{x="',
    "a shell's": b"{}${HOME}$(id)`id`;|&*?~",
    "percent": b"%s%n%99999d%*$x%%",
    "wide": "\u9375\U0001f511e\u0301".encode(),
    "blanks": b"   x   ",
}
# Each alone, and between letters; and texts that are long.
TEXTS = {**PIECES, **{name + ", inside": b"ab" + piece + b"yz" for name, piece in PIECES.items()},
         "64 KiB": b"x" * 65536, "64 KiB of escapes": b"\x1b[" * 32768, "64 KiB of three bytes": "\u20ac".encode() * 21845,
         "64 KiB of quotes": b'"\\' * 32768}

# All at once, for places where one text takes long.
MIXED = {"all": b" ".join(PIECES.values()), "UTF-8": b" ".join(p for p in PIECES.values() if p.decode(errors="ignore").encode() == p),
         "first of all": PIECES["clears the screen"], **{name: TEXTS[name] for name in ("64 KiB of escapes", "64 KiB of quotes")}}

# utf8_is_deceptive() beyond what unicodedata calls a control or a format character.
UNSEEN = {0x34f, 0x115f, 0x1160, 0x3164, 0xffa0, *range(0x180b, 0x1810), *range(0xfe00, 0xfe10)}


def fault_of(data, newlines=True):
    """What is wrong with this output; None: nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: {data[max(0, error.start - 20):error.end + 20]!r}"
    for at, character in enumerate(text):
        if character == "\n" and newlines:
            continue
        point = ord(character)
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or point in UNSEEN or point & 0xfffe == 0xfffe:
            return f"U+{point:04X} in {text[max(0, at - 30):at + 30]!r}"
    return None


def strict_json(data):
    """Parsed as RFC 8259 has it: no key twice, no number that is none."""
    def once(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError(f"a key stands twice: {pairs}")
        return dict(pairs)

    def never(word):
        raise ValueError(f"{word} is no JSON")
    return json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=never)


def on_terminal(command, environment=None):
    """The program on a terminal: its exit status, and what the terminal was given, with its own colours taken out."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, close_fds=True,
                               env=dict(os.environ, TERM="xterm", **(environment or {})))
    os.close(theirs)
    data = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: whoever had the other end is gone
            break
        data += piece
    os.close(ours)
    return process.wait(), re.sub(rb"\x1b\[[0-9;]*m", b"", data).replace(b"\r\n", b"\n")
