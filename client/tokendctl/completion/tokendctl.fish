# SPDX-License-Identifier: MPL-2.0
# fish completion of tokendctl(1), which knows the answers itself: `tokendctl complete -- WORD...`.
complete -c tokendctl -a '(tokendctl complete -- (commandline -opc)[2..-1] (commandline -ct | string unescape) 2>/dev/null)'
