#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: machine.sh PACKAGES [SKEL]
#
# A whole Debian with systemd in QEMU: installs the packages of the folder PACKAGES (see packages.sh), and does what users
# do; machine-inside.sh says what. SKEL is there too, for calls that take long. The log has the commands and what they
# answered. Without SKEL it is a machine for a person: a shell of root on this terminal, with the packages in /mnt and the
# tree's docs in /mnt/docs; nothing is installed, and nothing is kept.
# Exit status 77, and the reason, where there is nothing to boot.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-x86_64 >/dev/null || { echo 'no qemu-system-x86_64 here' >&2; exit 77; }
command -v busybox >/dev/null || { echo 'no busybox here' >&2; exit 77; }
command -v dkms >/dev/null || { echo 'no dkms here' >&2; exit 77; }
image=$("$here/base.sh")
kernel=$("$here/../driver/kernel.sh")
"$here/packages.sh" "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# What is needed to find the disk, in the order of need.
make_initrd() {
	root=$work/initrd
	mkdir -p "$root/bin" "$root/new" "$root/dev"
	cp "$(command -v busybox)" "$root/bin/"
	n=100
	for module in crc16 crc32c_generic libcrc32c mbcache jbd2 ext4 virtio virtio_ring virtio_pci_legacy_dev \
		virtio_pci_modern_dev virtio_pci virtio_blk; do
		n=$((n + 1))
		file=$(find "$kernel/lib/modules" -name "$module.ko.xz")
		[ -z "$file" ] || busybox unxz -c "$file" >"$root/$n-$module.ko" # no file: built in
	done
	cat >"$root/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		for module in /*.ko; do /bin/busybox insmod $module; done
		until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
		/bin/busybox mount -t ext4 /dev/vda /new && /bin/busybox mount -o move /dev /new/dev
		exec /bin/busybox switch_root /new /sbin/init
	END
	chmod +x "$root/init"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd.cpio"
}

# The same package with a higher version: what an upgrade is made of.
next_version() { # DEB FOLDER
	rm -rf "$work/next"
	dpkg-deb -R "$1" "$work/next"
	sed -i 's/^Version: .*/&+1/' "$work/next/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$work/next" "$2" >/dev/null
}

# The modules of qda-dkms, as DKMS builds them.
make_modules() { # PACKAGES
	dpkg-deb -x "$1"/qda-dkms_*.deb "$work/dkms"
	source=$(echo "$work"/dkms/usr/src/qda-*)
	mkdir "$work/dkms/tree" "$work/extra/modules"
	dkms build --dkmstree "$work/dkms/tree" --sourcetree "${source%/*}" --kernelsourcedir "$kernel/kbuild" \
		-k "${kernel##*/kernel-}" "qda/${source##*/qda-}" >"$work/modules.log" 2>&1 </dev/null ||
		{ cat "$work/modules.log" "$work"/dkms/tree/qda/*/build/make.log; exit 1; }
	find "$work/dkms/tree" -name '*.ko*' -exec cp {} "$work/extra/modules/" \;
}

make_extra() { # PACKAGES
	mkdir -p "$work/extra/next"
	cp "$1"/libqdaclient0_*.deb "$1"/libqdaclient-dev_*.deb "$1"/python3-qda_*.deb "$1"/qda-dkms_*.deb "$1"/qdad_*.deb \
		"$work/extra/"
	for deb in "$1"/libqdaclient0_*.deb "$1"/qdad_*.deb; do
		next_version "$deb" "$work/extra/next"
	done
	make_modules "$1"
	cp -r "$here/../../docs" "$here/../../README.md" "$work/extra/"
}

make_initrd
make_extra "$1"
if [ $# -gt 1 ]; then
	cp "$here/machine-inside.sh" "$work/extra/inside.sh"
	cp "$2" "$work/extra/"
	serial="file:$work/log"
else
	cat >"$work/extra/inside.sh" <<-'END'
		stty sane 2>/dev/null
		cd /root
		echo
		echo 'A Debian with systemd. /mnt has the packages, the next versions of them in next/, the modules of qda-dkms'
		echo 'in modules/, and the docs. Users: root, alice, bob. poweroff, or Ctrl-a x, ends it.'
		exec env TERM=xterm setsid -c -w bash -l
	END
	echo 'booting; this takes a minute or two ...'
	serial=mon:stdio
fi
mke2fs -q -t ext4 -d "$work/extra" "$work/extra.img" 96M >/dev/null

boot() {
	# systemd: filters of system calls log what they refuse.
	setpriv --pdeathsig TERM timeout --foreground -k 5 "$1" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -smp 2 -m 1024 \
		-nodefaults -display none -no-reboot -kernel "$kernel/boot/vmlinuz" -initrd "$work/initrd.cpio" \
		-append 'console=ttyS0 loglevel=5 panic=-1 oops=panic systemd.show_status=no SYSTEMD_LOG_SECCOMP=1' \
		-drive "file=$image,if=virtio,format=raw,snapshot=on" \
		-drive "file=$work/extra.img,if=virtio,format=raw,snapshot=on" \
		-device virtio-rng-pci -serial "file:$work/console" -serial "$serial"
}

# One machine at a time: two would only make each other late.
exec 9>"$(dirname "$kernel")/vm.lock"
flock 9
if [ $# = 1 ]; then
	boot 0
	exit
fi
# An emulated kernel of two CPUs that changes its own code at boot may trip over it. Then it boots anew; not when it got as
# far as the test.
for _ in 1 2 3; do
	boot 3000 </dev/null || echo 'Bail out! the machine was switched off'
	[ ! -s "$work/log" ] && grep -q 'Kernel panic' "$work/console" || break
done
flock -u 9
tr -d '\r' <"$work/log"
if ! grep -q '^1\.\.' "$work/log"; then
	tail -n 40 "$work/console" | sed 's/^/# /'
	exit 1
fi
! grep -q '^not ok' "$work/log"
