#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: developer.sh SOURCE-ROOT BUILD-ROOT COMPILER...
#
# Does what docs/developer.md tells its reader to do: writes the files printed there and runs its commands.
set -eu
top=$1 build=$2
shift 2
dir=$(mktemp -d /tmp/qda-developer.XXXXXX)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset QDAD_SOCKET DSP_LIBRARY_PATH || true
export XDG_RUNTIME_DIR="$dir" XDG_CONFIG_HOME="$dir"

# What is installed gives headers and the words of pkg-config; programs are run from where they were built.
meson install -C "$build" --no-rebuild --quiet --destdir "$dir/root" >install.log 2>&1 || cat install.log
pc=$(find "$dir/root" -name qdaclient.pc)
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$dir/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PATH="$build/client:$PATH" LD_LIBRARY_PATH="${pc%/pkgconfig/*}"

# cc is the compiler that all was built with.
compiler=$1
shift
flags=$*
cc() {
	# shellcheck disable=SC2086 # words are meant to split
	command "$compiler" $flags "$@" -Wall -Wextra -Werror
}

# The C programs of the page, each into the file that its first line names; its commands, in order.
awk '/^```c$/ { inside = 1; next } /^```/ { inside = 0 }
	inside == 1 { file = $2; inside = 2 } inside { print >file }' "$top/docs/developer.md"
awk '/^```sh$/ { n++; inside = 1; next } /^```/ { inside = 0 } inside { print >("commands" n) }' "$top/docs/developer.md"

says() {
	case $3 in
	*"$4"*) echo "ok $1 - $2" ;;
	*)
		echo "$3" | sed 's/^/# /'
		echo "not ok $1 - $2"
		;;
	esac
}

echo 1..3
. ./commands1
says 1 'qdactl calls the skel' "$(. ./commands2 2>&1)" '03 00 06 00 09 00'
said=$(. ./commands3 2>&1) || said="failed: $said"
says 2 'both calls end' "$(echo "$said" | sort | tr '\n' ',')" 'ten times: done,twice: done,'
says 3 'the program gets what it asked for' "$said" '999 1998 9990'
