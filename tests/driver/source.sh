#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: source.sh
#
# Prints the folder of a kernel tree to build modules against (make KDIR=FOLDER), configured by kernel.config, which has
# what no kernel of Debian's has together: accel devices, device trees and rpmsg. scripts/checkpatch.pl is there, too.
# Of the source package only what modules need is kept. When it cannot be had, says why and exits with 77.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
what='the kernel tree, which comes from a Debian package,'
. "$here/cache.sh"

# What the tree was made for: the next run finds out whether that is still so.
made_for() {
	cc --version | head -n 1
	cat "$here/kernel.config" "$here/source.sh"
}

current() {
	have=$(newest source)
	[ -n "$have" ] && made_for | cmp -s - "$have/made-for"
}

fetch() {
	download "linux-source-$series" || { renew && download "linux-source-$series"; }
}

# Most of it is not for modules: of the C of other machines and of drivers nothing is taken.
unpack() {
	top=linux-source-$series
	# shellcheck disable=SC2046 # words are meant to split
	dpkg-deb --fsys-tarfile "$top"_*.deb | tar -xO "./usr/src/$top.tar.xz" |
		tar -xJ --strip-components=1 --anchored --exclude="$top/arch/*.dts*" --exclude="$top/Documentation/*.rst" \
			$(printf -- "--exclude=$top/%s/*.[chS] " 'arch/[!x]*' block crypto drivers fs mm net samples sound \
			tools/perf tools/testing)
	rm "$top"_*.deb
}

prepare() {
	make -s KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig && make -s modules_prepare || return 1
	: >Module.symvers # nothing was built that could be linked with
	make -s run-command KBUILD_RUN_COMMAND="scripts/package/install-extmod-build tree"
}

if ! current; then
	need apt-get dpkg-deb make bc flex bison perl
	lock source
fi
if ! current; then
	begin source
	fetch || skip "linux-source-$series cannot be fetched: $(last log)"
	unpack
	prepare >log 2>&1 </dev/null || { cat log >&2; exit 1; }
	made_for >tree/made-for
	keep source tree "source-$(make -s kernelversion)"
	have=$(newest source)
fi
echo "$have"
