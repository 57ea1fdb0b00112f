#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: machine.sh PACKAGES
#
# A whole Debian with systemd in QEMU: installs the packages of the folder PACKAGES (see packages.sh), and does what users
# do; machine-inside.sh says what. The log has the commands and what they answered.
# Exit status 77, and the reason, where there is nothing to boot.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-x86_64 >/dev/null || { echo 'no qemu-system-x86_64 here' >&2; exit 77; }
command -v busybox >/dev/null || { echo 'no busybox here' >&2; exit 77; }
image=$("$here/base.sh")
kernel=$("$here/../driver/kernel.sh")
"$here/packages.sh" "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is needed to find the disk, in the order of need.
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
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /*.ko; do /bin/busybox insmod $module; done
until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 /dev/vda /new && /bin/busybox mount -o move /dev /new/dev
exec /bin/busybox switch_root /new /sbin/init
END
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd.cpio"

mkdir "$work/extra"
cp "$1"/libqdaclient0_*.deb "$1"/qdad_*.deb "$work/extra/"
cp "$here/machine-inside.sh" "$work/extra/inside.sh"
mke2fs -q -t ext4 -d "$work/extra" "$work/extra.img" 64M >/dev/null

# One machine at a time: two would only make each other late.
exec 9>"$(dirname "$kernel")/vm.lock"
flock 9
setpriv --pdeathsig TERM timeout -k 5 400 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -smp 2 -m 1024 \
	-nodefaults -display none -no-reboot -kernel "$kernel/boot/vmlinuz" -initrd "$work/initrd.cpio" \
	-append 'console=ttyS0 loglevel=5 panic=-1 oops=panic systemd.show_status=no' \
	-drive "file=$image,if=virtio,format=raw,snapshot=on" -drive "file=$work/extra.img,if=virtio,format=raw,snapshot=on" \
	-device virtio-rng-pci -serial "file:$work/console" -serial "file:$work/log" </dev/null ||
	echo 'Bail out! the machine was switched off'
flock -u 9
tr -d '\r' <"$work/log"
if ! grep -q '^1\.\.' "$work/log"; then
	tail -n 40 "$work/console" | sed 's/^/# /'
	exit 1
fi
! grep -q '^not ok' "$work/log"
