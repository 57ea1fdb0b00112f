#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: accel.sh BUILD PICTURE [TEST...]
#
# qdad on a DSP behind the driver: in a machine of its own (see ../driver/run.sh) with the modules, the software DSP as
# firmware, the daemon and its programs, all from the folder BUILD. What qda-image makes of PICTURE there must be, byte
# for byte, what it makes here, where qdad has the soft device. Then each TEST, a program of BUILD/tests, runs there.
# The benchmark runs there too, as a person wants it who sets QDAD_BENCH to its options (see ../bench/vm.sh).
# Exit status 77, and the reason, when there is nothing to boot.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd) picture=$(realpath "$2")
shift 2

room=$(mktemp -d)
qdad=
cleanup() {
	[ -z "$qdad" ] || kill "$qdad"
	rm -rf "$room"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# The reference, and the names of what it consists of.
mkfifo "$room/ready"
"$build/daemon/qdad" --user --config /dev/null --socket "$room/sock" --modules "$build/tests/skels" --ready-fd 3 \
	3>"$room/ready" 2>"$room/log" &
qdad=$!
read -r ready <"$room/ready" && [ "$ready" = ready ] || { cat "$room/log" >&2; exit 1; }
mkdir "$room/soft"
QDAD_SOCKET=$room/sock "$build/examples/image/qda-image" -o "$room/soft" "$picture" >/dev/null
kill "$qdad"
wait "$qdad"
qdad=

# Programs too early for the random numbers of so young a machine make the kernel tell when it has them. All of it takes
# some minutes, many more where others work, too.
options="-t 3000 -a random:.crng.init.done -f $picture:/picture/${picture##*/}"
add() {
	options="$options $*"
}
for file in "$room"/soft/*; do
	add -f "$file:/soft/${file##*/}"
done
# Tests name what they need by where it was built; -p brings the libraries, but for our own.
# A build without tests, as ./demo makes it, has not all of it.
for file in "$build"/tests/skels/*.so "$build/tests/daemon/libheaphook.so"; do
	[ ! -e "$file" ] || add -f "$file:$file"
done
echo "SKELS=$build/tests/skels BENCH='${QDAD_BENCH-}'" >"$room/env"
add -f "$room/env:/env"
add -f "$build/client/libqdaclient.so.0:/lib/libqdaclient.so.0"
for program in driver/softdsp/qda-softdsp driver/softdsp/qda-softdsp-pd daemon/qdad client/qdactl \
	examples/image/qda-image tests/bench/invoke; do
	[ ! -e "$build/$program" ] || add -p "$build/$program" -f "$build/$program:$build/$program"
done
# What their tests look things up in: the manual of metrics, the plainest terminal, characters of more than a byte.
docs=$(cd "$here/../../docs" && pwd)
add -f "$docs/metrics.md:$docs/metrics.md"
for file in /etc/terminfo/v/vt52 /lib/terminfo/v/vt52 /usr/share/terminfo/v/vt52 /usr/lib/locale/C.utf8/LC_CTYPE; do
	[ ! -e "$file" ] || add -f "$file:$file"
done
for test; do
	add -p "$build/tests/$test" -f "$build/tests/$test:/tests/${test##*/}"
done
# shellcheck disable=SC2086 # words are meant to split
"$here/../driver/run.sh" "$here/../../driver" "$build/tests/driver/modules" $options -- "$here/inside.sh"
