#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: base.sh
#
# Prints the image of a Debian with systemd that runs on the kernel of ../driver/kernel.sh: what the packages of this
# tree need is in it, they are not. Made once, kept in the cache. When it cannot be had, says why and exits with 77.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernel=$("$here/../driver/kernel.sh")
version=${kernel##*/kernel-}
what='the Debian for the VM'
. "$here/../driver/cache.sh"

packages=systemd,systemd-sysv,libpam-systemd,udev,dbus,dbus-user-session,polkitd,apparmor,kmod,curl,procps,libuv1,libprotobuf-c1,libinih1,libjson-c5,libncursesw6
packages=$packages,libseccomp2,libdrm2,libsystemd0
image=$cache/debian-$series.$(printf '%s' "$version $packages 3" | cksum | tr ' ' -)

# What runs the test: a unit whose end is the machine's.
install_test() { # ROOT
	cat >"$1/etc/systemd/system/qda-test.service" <<-'END'
		[Unit]
		After=multi-user.target
		SuccessAction=poweroff-force
		FailureAction=poweroff-force
		[Service]
		Type=oneshot
		ExecStartPre=/bin/mount -o ro /dev/vdb /mnt
		ExecStart=/bin/sh /mnt/inside.sh
		StandardInput=tty
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/ttyS1
		TimeoutStartSec=infinity
		[Install]
		WantedBy=multi-user.target
	END
	chroot "$1" systemctl -q enable qda-test.service
	chroot "$1" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer serial-getty@.service getty@.service
	echo dsp >"$1/etc/hostname"
	chroot "$1" useradd -m alice
	chroot "$1" useradd -m bob
}

# Modules of the kernel that ours need.
install_modules() { # ROOT
	to=$1/lib/modules/$version/kernel
	mkdir -p "$to"
	for module in drm drm_kms_helper drm_shmem_helper i2c-core; do
		find "$kernel/lib/modules" -name "$module.ko.xz" -exec cp {} "$to" \;
	done
	cp "$kernel/lib/modules/$version"/modules.builtin* "$kernel/lib/modules/$version"/modules.order \
		"$1/lib/modules/$version/"
	chroot "$1" depmod "$version"
}

if [ ! -e "$image" ]; then
	need mmdebstrap mke2fs
	[ "$(id -u)" = 0 ] || skip "$what is made by root, and is not in the cache"
	lock debian
fi
if [ ! -e "$image" ]; then
	begin debian
	mmdebstrap --variant=minbase --include="$packages" bookworm root.tar >log 2>&1 ||
		skip "$what cannot be made: $(last log)"
	mkdir root
	tar xf root.tar -C root
	rm root.tar
	install_modules root
	install_test root
	mke2fs -q -t ext4 -d root image 1G >log 2>&1 || skip "$what cannot be made: $(last log)"
	find "$cache" -mindepth 1 -maxdepth 1 -name "debian-$series.*" -exec rm -f {} +
	mv image "$image"
fi
echo "$image"
