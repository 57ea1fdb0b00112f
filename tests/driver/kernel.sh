#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: kernel.sh
#
# Prints the folder of an unpacked Debian kernel: boot/vmlinuz, lib/modules, and kbuild, a folder to build modules
# against (make KDIR=FOLDER/kbuild). The packages are fetched once, without installing anything, into the cache of the
# user (~/.cache/qdad), never into the tree. When they cannot be had, says why and exits with 77.
set -eu
series=6.12
cache=${XDG_CACHE_HOME:-$HOME/.cache}/qdad

skip() {
	echo "$1" >&2
	exit 77
}

# A machine whose lists of packages are missing or out of date gets one attempt to renew them.
renewed=
renew() {
	[ -z "$renewed" ] && [ "$(id -u)" = 0 ] || return 1
	renewed=yes
	apt-get update -q >/dev/null 2>&1 </dev/null
}

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
	apt-get download -q "linux-image-$version" "linux-headers-$version" "linux-headers-$base-common" \
		"linux-kbuild-$base" >log 2>&1 </dev/null || { renew && fetch; }
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

newest() {
	find "$cache" -mindepth 1 -maxdepth 1 -name "kernel-$series.*" 2>/dev/null | sort -V | tail -n 1
}

have=$(newest)
if [ -z "$have" ]; then
	[ "$(uname -m)" = x86_64 ] || skip "the kernel for the VM is for x86_64, this machine is $(uname -m)"
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		skip "the kernel for the VM comes from Debian packages, and there is no apt-get here"
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	have=$(newest)
fi
if [ -z "$have" ]; then
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cd "$work"
	version=
	fetch || skip "linux-image-$series-amd64 cannot be fetched: $(tail -n 1 log 2>/dev/null || echo 'no such package')"
	unpack
	chmod 755 "$work"
	mv "$work" "$cache/kernel-$version"
	trap - EXIT
	have=$(newest)
fi
echo "$have"
