#!/bin/sh
# wrapper.sh PORT [WORD...]: writes down its words and becomes a server.
printf '%s\n' "$@" >"$RUNTIME_DIRECTORY/words"
exec /usr/bin/python3 -m http.server "$1" --directory /usr/share
