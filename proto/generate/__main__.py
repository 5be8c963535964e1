# SPDX-License-Identifier: MPL-2.0
"""Writes C from the interface files: `python3 proto/generate WHAT FILE...` prints one file, WHAT being a key of FILES below.

The interface file of a method is the one description of it. What varlink cannot say stands in the comment right before the
method, the type or the interface, on lines that begin with `@`; a line may have several. What they are about is named by the
field: a parameter, or where the method has no parameter of that name, a field of its reply. A number is written as such or by
its name in proto/limits.h.

    @socket keys|status|both    interface: the sockets that serve it
    @right WORD [WORD...]       method: the words of Allow= that it needs; errors name the first
    @anybody                    method: it needs no right; on the keys' socket each method has one or this
    @may WORD [WORD...]         method: words of Allow= that some of what it does needs beside those; it looks for these itself
    @audit KIND                 method: it is recorded, as this kind of record
    @secret                     method: what it is given or gives is secret, and wiped by whoever held it
    @parallel                   method: it runs beside others of its connection that were sent ahead
    @once                       method: it must not be done twice for one request, so a client does not repeat it by itself
    @needs [FIELD...]           method, type: what a reader of the reply cannot do without; where this is not said, all that is
                                not nullable. The rest is 0, false or nothing to it where another version does not send it
    @base64 FIELD [FIELD...]    these strings are bytes
    @length FIELD MIN MAX       a string or bytes: how many bytes; an array: how many elements. MAX 0: no bound
    @range FIELD MIN MAX [ABSENT]
                                an int: its range, and what the program sees where it was left out (0 by default)

A parameter that is an int needs a @range. A string parameter without a @length has at most LIMIT_WORD bytes.
"""
import sys

import broker
import client
import idl
import rights

FILES = {
    "broker/methods/parameters.h": broker.parameters_h,
    "broker/methods/parameters.c": broker.parameters_c,
    "broker/methods/methods.h": broker.methods_h,
    "broker/methods/methods.c": broker.methods_c,
    "broker/base/replies.h": broker.replies_h,
    "broker/base/replies.c": broker.replies_c,
    "client/stubs.h": client.stubs_h,
    "client/stubs.c": client.stubs_c,
    "proto/enums.h": client.enums_h,
    "config/rights.h": rights.rights_h,
    "man/rights": rights.rights_mdoc,
}


def main(what, *paths):
    if what not in FILES:
        sys.exit(f"proto/generate: {what} is not one of {', '.join(FILES)}")
    try:
        print("\n".join(FILES[what]([idl.Parser(path).parse() for path in paths])))
    except idl.Fault as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main(*sys.argv[1:])
