# SPDX-License-Identifier: MPL-2.0
"""The words of Allow=, which are those of @right: as C for the configuration, and as the list in tokend.conf(5)."""
from c import begin, constant, methods


def rights(interfaces):
    """{word: [(interface, method)]}, sorted by the words."""
    found = {}
    for interface, method in methods(interfaces):
        for word in method.right + method.may:
            found.setdefault(word, []).append((interface, method))
    return dict(sorted(found.items()))


def rights_h(interfaces):
    words = list(rights(interfaces))
    return [begin(header=True),
            "/* What an instance may do; a mask. */", "enum config_right {",
            *(f"        RIGHT_{constant(word)} = 1 << {bit}," for bit, word in enumerate(words)),
            f"        RIGHT_ALL = (1 << {len(words)}) - 1,", "};\n",
            "/* Their names, from the first bit: the words of Allow=, and of PermissionDenied's `operation`. */",
            f'#define RIGHT_WORDS "{" ".join(words)}"', "#define RIGHT_NAMES " + ", ".join(f'"{word}"' for word in words)]


def rights_mdoc(interfaces):
    """Each word and the methods that need it, by interface."""
    out = [".Bl -tag -width generate -compact"]
    for word, needing in rights(interfaces).items():
        lines = {}
        for interface, method in needing:
            others = [other for other in method.right if other != word]
            beside = " in part" if word in method.may else ""
            beside += f" (with {', '.join(others)})" if others else ""
            lines.setdefault(interface.name, []).append(method.name + beside)
        out.append(f".It Li {word}")
        out.append(";\n".join(f"{name}: {', '.join(names)}" for name, names in lines.items()))
    return out + [".El"]
