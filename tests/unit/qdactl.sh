#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# qdactl as its users meet it, with a private broker and real DSP libraries: exit statuses, values that
# come back, and that `run` leaves nothing behind. usage: qdactl.sh QDACTL QDAD SKELS
set -u
qdactl=$1 skels=$3
QDAD_PROGRAM=$2
room=$(mktemp -d "${TMPDIR:-/tmp}/qdactl-test.XXXXXX") || exit 1
trap 'rm -rf "$room"' EXIT
mkdir "$room/tmp" "$room/none"
TMPDIR=$room/tmp
XDG_RUNTIME_DIR=
export QDAD_PROGRAM TMPDIR XDG_RUNTIME_DIR
unset QDAD_SOCKET
failed=0
sum='file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0'
args='file:///libqda_args_skel.so?qda_args_skel_handle_invoke&_modver=1.0'

# expect STATUS WHAT COMMAND...: run it, output in $room/out and $room/err
expect() {
	wanted=$1 what=$2
	shift 2
	"$@" >"$room/out" 2>"$room/err"
	status=$?
	[ "$status" = "$wanted" ] && return
	echo "not ok: $what: exit status $status, not $wanted"
	cat "$room/out" "$room/err"
	failed=1
}

# output WHAT PATTERN [FILE]: a line of the last output that matches
output() {
	grep -q -e "$2" "$room/${3:-out}" && return
	echo "not ok: $1: no line like: $2"
	cat "$room/out" "$room/err"
	failed=1
}

run() {
	"$qdactl" run --modules "$skels" -- "$@"
}

expect 0 "help" "$qdactl" --help
output "help lists the verbs" "invoke    call a method"
expect 0 "version" "$qdactl" --version
output "version" "^qdactl [0-9]"
expect 2 "no verb" "$qdactl"
expect 2 "unknown verb" "$qdactl" frobnicate
for verb in list status health invoke run explain; do
	expect 0 "help of $verb" "$qdactl" $verb --help
	output "help of $verb" "^Usage: qdactl $verb"
	expect 2 "unknown option of $verb" "$qdactl" $verb --frobnicate
done

expect 0 "explain" "$qdactl" explain 0x80000406 -2147482606 99999
output "explain hex" "^0x80000406: the library could not be loaded"
output "explain negative" "^0x80000412: unknown code"
output "explain unknown" "^0x1869f: unknown code"
expect 2 "explain of no number" "$qdactl" explain 0x80000406x

expect 3 "no broker" "$qdactl" list --socket "$room/none/sock"
output "no broker" "no broker at $room/none/sock (No such file or directory): start qdad" err
expect 3 "health without a broker" "$qdactl" health --socket "$room/none/sock"
output "health without a broker" "^FAILED  broker"

expect 0 "health" run "$qdactl" health
output "health of the broker" "^ok      broker"
output "health of the domain" "^ok      cdsp .*up (soft)"
expect 0 "list" run "$qdactl" list
output "list" "^cdsp  *up  *soft"
expect 0 "status" run "$qdactl" status --json
output "status" '"name":"cdsp"'
output "status of oneself" '"name":"qdactl"'

expect 0 "invoke" run "$qdactl" invoke --json "$sum" 2 in:u32:1,2,3,-7 out:8
output "invoke gives the sum" '"hex":"ffffffffffffffff"'
expect 0 "invoke as text" run "$qdactl" invoke "$args" 2 in:text:hello in:hex:0001fe out:5:text out:3
output "text comes back" "^  hello$"
output "bytes come back" "^  00000000  00 01 fe  "
head -c 200000 /dev/urandom >"$room/big"
head -c 5000 "$room/big" >"$room/small"
expect 0 "invoke with files" run "$qdactl" invoke "$args" 2 "in:file:$room/small" \
	"inbuf:file:$room/big" "out:5000:file:$room/small.out" "outbuf:200000:file:$room/big.out"
cmp "$room/small" "$room/small.out" || failed=1
cmp "$room/big" "$room/big.out" || failed=1
expect 1 "inline data that is too long" run "$qdactl" invoke "$args" 2 "in:file:$room/big" out:5
output "inline data that is too long" "use a buffer" err
expect 1 "module that is not there" run "$qdactl" invoke "file:///libnone.so?none" 2
output "every path tried is named" "$skels/libnone.so" err
expect 1 "domain that is not there" run "$qdactl" invoke -d xdsp "$sum" 2 in:u32:1 out:8
expect 2 "argument that is none" run "$qdactl" invoke "$sum" 2 in:hex:0 out:8
expect 2 "method that is none" run "$qdactl" invoke "$sum" two
expect 1 "deadline" run "$qdactl" invoke -t 20ms "$args" 12 in:u32:3000000 out:48
output "deadline" "qdactl: " err

expect 42 "status of the program" run sh -c 'exit 42'
expect 127 "program that is not there" run "$room/none/program"
expect 126 "program that is none" run "$room"
expect 1 "broker that does not start" env QDAD_PROGRAM=/bin/false "$qdactl" run true
expect 139 "signal of the program" sh -c '"$@"; exit $?' - "$qdactl" run sh -c 'kill -SEGV $$'

# A signal to qdactl reaches the program, which may refuse to die of it.
"$qdactl" run sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done' >"$room/out" &
pid=$!
until grep -q ready "$room/out"; do sleep 0.05; done
kill -TERM $pid
wait $pid
[ $? = 7 ] || { echo "not ok: SIGTERM did not reach the program"; failed=1; }

left=$(ls -A "$room/tmp")
[ -z "$left" ] || { echo "not ok: left behind: $left"; failed=1; }
exit $failed
