#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# qdactl as its users meet it, with a private broker and real DSP libraries: exit statuses, values that
# come back, and that `run` leaves nothing behind. usage: qdactl.sh QDACTL QDAD SKELS MODULEDIR
set -u
qdactl=$1 skels=$3 moduledir=$4
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
	output "unknown option of $verb" "^qdactl $verb: unrecognized option" err
done

expect 0 "explain" "$qdactl" explain 0x80000406 -2147482606 99999
output "explain hex" "^0x80000406 AEE_EUNABLETOLOAD: the library could not be loaded"
output "explain negative" "^0x80000412 AEE_EINCOMPLETEITEM: incomplete item (said by the DSP)"
output "explain unknown" "^0x1869f: unknown code"
codes=$(sed -n 's/^#define \(AEE_E[A-Z]*\)[[:space:]]*\(0x[0-9a-f]*\).*/\1 \2/p' \
	"$(dirname "$0")/../../driver/softdsp/include/AEEStdErr.h")
[ "$(echo "$codes" | wc -l)" -ge 60 ] || { echo "not ok: codes of skels: $codes"; failed=1; }
echo "$codes" | while read -r name code; do
	[ "$name" = AEE_ENORPCMEMORY ] && name=AEE_ECONNRESET # another name of the same code
	expect 0 "explain $name" "$qdactl" explain "$code"
	output "explain $name" "^$code $name: "
	[ $failed = 0 ] || exit 1
done || failed=1
expect 2 "explain of no number" "$qdactl" explain 0x80000406x 14
output "explain goes on behind what is no number" "^0xe AEE_EBADPARM: bad parameter"
output "explain names what is no number" '^qdactl explain: "0x80000406x" is no 32-bit number' err
expect 0 "explain an errno" "$qdactl" --json explain -22
output "explain an errno" '"code":-22'
output "explain an errno" '"text":"-22: EINVAL, Invalid argument (an errno'

expect 3 "no broker" "$qdactl" list --socket "$room/none/sock"
output "no broker" "no broker at $room/none/sock (No such file or directory), which is .*: start qdad" err
expect 3 "no broker, as JSON" "$qdactl" --json --socket "$room/none/sock" status
output "no broker, as JSON" '"error":-2,'
output "no broker, as JSON" '"text":"no broker at'
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
expect 0 "invoke as text for a terminal" run "$qdactl" invoke "$args" 2 in:hex:611b5b41c29b41e280ae41c3a99b out:14:text
output "what a terminal might obey is shown as dots" "^  a\.\[A\.\.A\.\.\.Aé\.$"
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
# refused ARGUMENT WHY
refused() {
	expect 2 "argument $1" run "$qdactl" invoke --json "$sum" 2 "$1"
	output "argument $1" "^qdactl invoke: cannot read the argument \"$1\": $2$" err
	output "argument $1" '"error":-22,'
}
refused in:hex:001 "two hex digits are wanted for each byte"
refused in:hex:0x12 "hex digits are wanted without 0x in front"
refused in:hex:1g "that is no hex digit"
refused in:u32:1,,2 "numbers are wanted, with commas between them"
refused in:u32:4294967296 "a number does not fit 32 bits"
refused in:foo:1 "an input is one of hex:, text:, u32: and file:"
refused inbuf:foo "an input is one of hex:, text:, u32: and file:"
refused out:x "an output begins with its length in bytes"
refused out:4294967296 "the length does not fit 32 bits"
refused outbuf:4:foo "behind the length comes nothing, or :hex, :text, :u32 or :file:PATH"
refused num:x "a number of 64 bits is wanted"
refused foo:1 "it is none of in:, inbuf:, out:, outbuf: and num:"
expect 2 "method that is none" run "$qdactl" invoke "$sum" two
expect 0 "small inputs in buffers" run "$qdactl" invoke "$args" 2 inbuf:text:hello inbuf:hex:00ff inbuf:u32:7,-1 \
	out:5:text outbuf:2 outbuf:8:u32
output "a text in a buffer" "^  hello$"
output "bytes in a buffer" "^  00000000  00 ff  "
output "numbers in a buffer" "^  7 4294967295$"
expect 0 "text that begins with a NUL" run "$qdactl" invoke "$args" 2 in:hex:0041 out:2:text
output "text that begins with a NUL" "^  (it begins with a NUL)$"
expect 1 "method that fails" run "$qdactl" invoke --json "$sum" 2 in:hex:00 out:8
output "method that fails" '"error":-121,'
output "method that fails" '"dsp_result":14,'
output "method that fails" '"aee":14,'
expect 1 "output that cannot be written" run "$qdactl" invoke "$sum" 2 in:u32:1 "out:8:file:$room/none/x/y"
output "output that cannot be written" "^qdactl: $room/none/x/y: No such file" err

# Two lines of level error; a terminal is told nothing by them.
lines() {
	run "$qdactl" invoke "$@" "$args" 13 in:u32:6,3,2 in:hex:1b5b:32:4a:41:00
}
expect 0 "what a skel logs" lines
output "what a skel logs" "^skel error: qda_args_skel.c:[0-9]*: [. ]\[2JA 0$" err
output "what a skel logs" "^skel error: qda_args_skel.c:[0-9]*: [. ]\[2JA 1$" err
expect 0 "what a skel logs, hidden" lines --quiet
[ -s "$room/err" ] && { echo "not ok: --quiet is not"; failed=1; }

expect 1 "deadline" run "$qdactl" invoke -t 20ms "$args" 12 in:u32:3000000 out:48
output "deadline" "qdactl: " err

# The directories that a private broker is given: those that were named, then the installed one.
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >"%s"\n' "$room/argv" >"$room/qdad"
chmod +x "$room/qdad"
expect 1 "broker that only looks" env QDAD_PROGRAM="$room/qdad" "$qdactl" run -m /one -m /two -- true
dirs=$(sed -n '/^--modules$/{n;p}' "$room/argv" | tr '\n' ' ')
wanted="/one /two "
[ ! -d "$moduledir" ] || wanted="$wanted$moduledir "
[ "$dirs" = "$wanted" ] || { echo "not ok: module directories $dirs, not $wanted"; failed=1; }

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
