#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: readme.sh SOURCE-ROOT BUILD-ROOT COMPILER...
#
# Does what README.md tells its reader to do: compiles the programs printed there and runs them.
set -eu
top=$1 build=$2
shift 2
dir=$(mktemp -d /tmp/qda-readme.XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/modules"
# A broker that runs already, or a configuration of the user's, is none of our business.
unset QDAD_SOCKET DSP_LIBRARY_PATH || true
export XDG_RUNTIME_DIR="$dir" XDG_CONFIG_HOME="$dir"

# The C programs of the page, in order.
program() {
	awk -v wanted="$1" '/^```/ { if ($0 == "```c") n++; inside = $0 == "```c"; next } inside && n == wanted' \
		"$top/README.md"
}

client() {
	number=$1 name=$2
	shift 2
	program "$number" >"$dir/$name.c"
	"$@" -Wall -Wextra -Werror -I "$top/client/include" -o "$dir/$name" "$dir/$name.c" \
		-L "$build/client" -lqdaclient -Wl,-rpath,"$build/client"
}

run() {
	"$build/client/qdactl" run --modules "$1" -- "$2"
}

says() {
	if [ "$3" = "$4" ]; then
		echo "ok $1 - $2"
	else
		echo "# it printed \"$3\", not \"$4\""
		echo "not ok $1 - $2"
	fi
}

echo 1..3
client 1 sum "$@"
says 1 'a client in ten lines adds numbers on the DSP' "$(run "$build/tests/skels" "$dir/sum")" 10

program 2 >"$dir/twice_skel.c"
"$@" -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -I "$top/driver/softdsp/include" \
	-o "$dir/modules/libtwice_skel.so" "$dir/twice_skel.c"
client 3 twice "$@"
says 2 'a skel in five minutes doubles a million bytes' "$(run "$dir/modules" "$dir/twice")" '42 ... 42'

# The configuration that the page shows.
awk '/^    \[daemon\]/ { inside = 1 } /^[^ ]/ { inside = 0 } inside { print substr($0, 5) }' "$top/README.md" \
	>"$dir/qdad.conf"
said=$("$build/daemon/qdad" --check-config --config "$dir/qdad.conf" 2>&1) || said="refused: $said"
says 3 'the configuration is one that qdad takes' "$(grep -c '^\[' "$dir/qdad.conf") sections $said" '5 sections '
