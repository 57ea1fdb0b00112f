#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: kernel.sh
#
# Prints the folder of an unpacked Debian kernel: boot/vmlinuz, lib/modules, and kbuild, a folder to build modules
# against (make KDIR=FOLDER/kbuild). The packages are fetched once, without installing anything. When they cannot be
# had, says why and exits with 77. QDA_TEST_KERNEL=FOLDER: that one instead (see debug-kernel.sh).
set -eu
if [ -n "${QDA_TEST_KERNEL-}" ]; then
	echo "$QDA_TEST_KERNEL"
	exit 0
fi
what='the kernel for the VM, which comes from Debian packages,'
. "$(dirname "$0")/cache.sh"

version_of_series() {
	apt-cache depends "linux-image-$series-amd64" 2>/dev/null |
		sed -n "s/.*Depends: linux-image-\($series\..*-amd64\)\$/\1/p" | head -n 1
}

fetch() {
	version=$(version_of_series)
	[ -n "$version" ] || { renew && version=$(version_of_series); } || :
	[ -n "$version" ] || return 1
	base=${version%-amd64}
	# shellcheck disable=SC2015 # the second alternative is meant to follow either failure
	download "linux-image-$version" "linux-headers-$version" "linux-headers-$base-common" "linux-kbuild-$base" ||
		{ renew && fetch; }
}

# Debian's headers name each other by absolute paths of an installed system.
unpack() {
	for deb in *.deb; do
		dpkg-deb -x "$deb" .
	done
	rm -f ./*.deb log
	ln -s "vmlinuz-$version" boot/vmlinuz
	ln -s "usr/src/linux-headers-$version" kbuild
	echo "include $cache/kernel-$version/usr/src/linux-headers-$base-common/Makefile" >kbuild/Makefile
}

have=$(newest kernel)
if [ -z "$have" ]; then
	need apt-get dpkg-deb
	lock kernel
	have=$(newest kernel)
fi
if [ -z "$have" ]; then
	begin kernel
	version=
	fetch || skip "linux-image-$series-amd64 cannot be fetched: $(last log)"
	unpack
	keep kernel "$work" "kernel-$version"
	have=$(newest kernel)
fi
echo "$have"
