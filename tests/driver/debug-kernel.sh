#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: debug-kernel.sh [JOBS]
#
# Builds the kernel that watches itself for the VM: KASAN, lockdep, kmemleak, UBSAN, DMA and fault debugging, by
# kernel.config and debug.config. Prints its folder, for QDA_TEST_KERNEL. Takes a quarter of an hour on two
# processors, and 3 GB of disk while it does; 75 MB stay. Not part of ./check.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
jobs=${1:-2}
what='the debug kernel, which is built from a Debian package,'
. "$here/cache.sh"

# An option that another takes away again would be missed by nobody.
configure() {
	cat "$here/kernel.config" "$here/debug.config" >wanted
	make -s KCONFIG_ALLCONFIG=wanted allnoconfig >log 2>&1 || { cat log >&2; exit 1; }
	lost=$(grep '^CONFIG' wanted | grep -vxFf .config || :)
	[ -z "$lost" ] || { echo "not to be had together with the rest: $lost" >&2; exit 1; }
}

made_for() {
	cc --version | head -n 1
	cat "$here/kernel.config" "$here/debug.config" "$here/debug-kernel.sh"
}

current() {
	have=$(newest debug)
	[ -n "$have" ] && made_for | cmp -s - "$have/debug"
}

if ! current; then
	need apt-get dpkg-deb make bc flex bison perl
	lock debug
fi
if ! current; then
	begin debug
	download "linux-source-$series" || { renew && download "linux-source-$series"; } ||
		skip "linux-source-$series cannot be fetched: $(last log)"
	dpkg-deb --fsys-tarfile linux-source-*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" |
		tar -xJ --strip-components=1
	rm linux-source-*.deb
	configure
	make -s -j "$jobs" bzImage modules >log 2>&1 </dev/null || { tail -n 30 log >&2; exit 1; }
	mkdir -p tree/boot tree/lib/modules
	cp arch/x86/boot/bzImage tree/boot/vmlinuz
	make -s run-command KBUILD_RUN_COMMAND="scripts/package/install-extmod-build tree/kbuild"
	made_for >tree/debug # by this file vm.sh knows it
	keep debug tree "debug-$(make -s kernelversion)"
	have=$(newest debug)
fi
echo "$have"
