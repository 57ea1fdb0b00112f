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

program 1 >"$dir/sum.c"
program 2 >"$dir/twice_skel.c"
program 3 >"$dir/twice.c"

client() {
	name=$1
	shift
	"$@" -Wall -Wextra -Werror -I "$top/client/include" -o "$dir/$name" "$dir/$name.c" \
		-L "$build/client" -lqdaclient -Wl,-rpath,"$build/client"
}

skel() {
	"$@" -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -I "$top/driver/softdsp/include" \
		-o "$dir/modules/libtwice_skel.so" "$dir/twice_skel.c"
}

run() {
	"$build/client/qdactl" run --modules "$1" -- "$2"
}

# The same from what is installed, below a directory of ours: only the compiler's and pkg-config's words are used.
installed() {
	root=$dir/root
	meson install -C "$build" --no-rebuild --quiet --destdir "$root" >"$dir/install.log" 2>&1 || cat "$dir/install.log"
	pc=$(find "$root" -name qdaclient.pc)
	export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$root"
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	rm "$dir/modules"/*
	# shellcheck disable=SC2046 # words are meant to split
	for name in sum twice; do
		"$@" -std=c11 -pedantic -Wall -Wextra -Werror "$dir/$name.c" -o "$dir/$name" \
			$(pkg-config --cflags --libs qdaclient)
	done
	# shellcheck disable=SC2046
	"$@" -shared -fPIC $(pkg-config --cflags qdaskel) -o "$dir/modules/libtwice_skel.so" "$dir/twice_skel.c"
	export LD_LIBRARY_PATH="${pc%/pkgconfig/*}"
}

says() {
	if [ "$3" = "$4" ]; then
		echo "ok $1 - $2"
	else
		echo "# it printed \"$3\", not \"$4\""
		echo "not ok $1 - $2"
	fi
}

echo 1..6
client sum "$@"
says 1 'a client in ten lines adds numbers on the DSP' "$(run "$build/tests/skels" "$dir/sum")" 10

skel "$@"
client twice "$@"
says 2 'a skel in five minutes doubles a million bytes' "$(run "$dir/modules" "$dir/twice")" '42 ... 42'

# The configuration that the page shows.
# Its directories and its group need not be on this machine.
awk '/^    \[policy 10-camera\]/ { inside = 1 } /^[^ ]/ { inside = 0 } inside { print substr($0, 5) }' "$top/README.md" |
	sed "s,^modules=.*,modules=$dir/modules:$dir,; s,^group=.*,group=0," >"$dir/qdad.conf"
said=$("$build/daemon/qdad" --check-config --config "$dir/qdad.conf" 2>&1) || said="refused: $said"
says 3 'the configuration is one that qdad takes' "$(grep -c '^\[' "$dir/qdad.conf") sections $said" '7 sections '

# The keys of the tables, with the defaults that are printed there, are such as qdad takes.
{
	awk -F' *[|] *' '/^[|] [*][*]\[/ { gsub(/[*]/, "", $2); sub(/NAME/, "cdsp", $2); print $2 }
		/^[|] `(hello_ms|drain_ms|session_in_flight|client_in_flight|device)` / { gsub(/`/, ""); print $2 "=" $3 }' "$top/README.md"
	for section in connection:3 'quota default:4' total:5; do
		echo "[${section%:*}]"
		awk -F' *[|] *' -v column="${section#*:}" \
			'/^[|] `[a-z_]*` [|] [0-9]+[%M]? [|] [0-9]/ { gsub(/`/, ""); print $2 "=" $column }' "$top/README.md"
	done
} >"$dir/qdad.conf"
said=$("$build/daemon/qdad" --check-config --config "$dir/qdad.conf" 2>&1) || said="refused: $said"
says 4 'the keys in the tables are those of qdad' "$(grep -c = "$dir/qdad.conf") keys $said" '38 keys '

installed "$@"
says 5 'an installation is enough to write a client' "$(run "$build/tests/skels" "$dir/sum")" 10
says 6 'an installation is enough to write a skel' "$(run "$dir/modules" "$dir/twice")" '42 ... 42'
