# A process that is always another one: a new session and a new program at every hop, as long as the
# leash (second argument) is there. Registers itself in the file named by its first argument.
[ -e "$2" ] || exit 0
echo $$ >>"$1"
setsid /bin/sh "$0" "$1" "$2" &
