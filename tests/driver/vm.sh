#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: vm.sh [-t SECONDS] [-p PROGRAM]... [-f FILE:PLACE]... [-o LOG] -- COMMAND...
#
# Boots a stock kernel in QEMU with a busybox system in memory, runs COMMAND (a shell line) as root, prints what it
# prints, and powers off. Exit status: COMMAND's, or 1 when the machine did not live to say it. On top of what COMMAND
# reports stands one TAP line of ours: the kernel printed nothing (from notice up) while it ran.
#   -t  seconds until the machine is switched off (120)
#   -p  a program, found in /bin there, with the libraries it needs
#   -f  a file and where it goes
#   -o  keep the kernel's messages here
#   -a  messages that may be there (a pattern of grep)
# Modules that DRM drivers need are loaded; those of this tree are for COMMAND to load. No KVM: TCG runs everywhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
limit=120 programs= files= log=
# Modules of others are modules of others; and how fast the machine is nobody asked.
allowed='out-of-tree module taints|module verification failed|hrtimer: interrupt took|clocksource: '
allowed="$allowed|sched_clock: Marking|tsc: Marking|perf: interrupt took too long|sched: .* lagged too much"
while getopts t:p:f:o:a: option; do
	case $option in
	t) limit=$OPTARG ;;
	p) programs="$programs $OPTARG" ;;
	f) files="$files $OPTARG" ;;
	o) log=$OPTARG ;;
	a) allowed="$allowed|$OPTARG" ;;
	*) sed -n 's/^# \(usage.*\)/\1/p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

for tool in qemu-system-x86_64 busybox; do
	command -v $tool >/dev/null || { echo "no $tool here" >&2; exit 77; }
done
kernel=$("$here/kernel.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$log" ] || log=$work/log
root=$work/root
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
cp "$here/init" "$root/init"
echo "$*" >"$root/command"

n=0
for module in drm drm_kms_helper drm_shmem_helper; do
	n=$((n + 1))
	file=$(find "$kernel/lib/modules" -name "$module.ko.xz")
	[ -z "$file" ] || busybox unxz -c "$file" >"$root/modules/0$n-$module.ko" # no file: built in
done
put() {
	mkdir -p "$root$(dirname "$2")"
	cp -L "$1" "$root$2"
}
for pair in $files; do
	put "${pair%%:*}" "${pair#*:}"
done
for program in "$(command -v busybox)" $programs; do
	put "$program" "/bin/$(basename "$program")"
	ldd "$program" 2>/dev/null | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | while read -r library; do
		put "$library" "$library"
	done
done
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initramfs"

# A kernel that watches itself (debug-kernel.sh) takes its time, and memory.
memory=512
if [ -e "$kernel/debug" ]; then
	limit=$((limit * 6))
	memory=2048
fi

# One machine at a time: two would only make each other late.
cache=$(dirname "$kernel")
exec 9>"$cache/vm.lock"
flock 9
# A machine whose turn does not come, where others work, is not one that hangs: the kernel waits as long as it can be
# told to before it says so.
patient='watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 workqueue.cpu_intensive_thresh_us=60000000'
boot() {
	setpriv --pdeathsig TERM timeout -k 5 "$limit" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -smp 2 \
		-m $memory -nodefaults -display none -no-reboot -kernel "$kernel/boot/vmlinuz" -initrd "$work/initramfs" \
		-append "console=ttyS0 loglevel=6 panic=-1 oops=panic kfence.sample_interval=10 slab_nomerge $patient" \
		-serial "file:$log" -serial stdio </dev/null || echo "# the machine was switched off after $limit s"
}
# An emulated kernel of two CPUs that changes its own code at boot may trip over it. Then it boots anew; not when it got
# as far as the command.
for _ in 1 2 3; do
	boot
	grep -q 'vm: begin' "$log" || ! grep -q 'Kernel panic' "$log" || continue
	break
done
flock -u 9

# What else the kernel said between the two marks of init is nobody's wish.
said=$(tr -d '\r' <"$log" | sed -n '/vm: begin/,/vm: end/p' | grep -Ev "vm: begin|vm: end|$allowed" || :)
early=$(tr -d '\r' <"$log" | sed '/vm: begin/,$d' | grep 'BUG\|WARNING\|Call Trace\|Oops' || :)
status=$(tr -d '\r' <"$log" | sed -n 's/.*vm: end \([0-9]*\)$/\1/p')
if [ -n "$said$early" ]; then
	printf '%s\n' "$early" "$said" | sed '/^$/d; s/^/# /'
	echo "not ok - the kernel has nothing to say"
	exit 1
fi
if [ -z "$status" ]; then
	tail -n 30 "$log" | sed 's/^/# /'
	echo "not ok - the machine ends by itself"
	exit 1
fi
echo "ok - the kernel has nothing to say"
exit "$status"
