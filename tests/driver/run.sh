#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: run.sh DRIVER WORK [VM-OPTION]... -- TEST...
#
# Builds the modules of DRIVER (the driver folder of this tree) in WORK, where not one warning may appear, boots them on
# a stock kernel, and runs each TEST there; VM-OPTIONs (see vm.sh) say what else is to be there. Exit status 77, and the
# reason, when there is nothing to boot.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
driver=$1 work=$2
shift 2
kernel=$("$here/kernel.sh" 2>&1) || { echo "# $kernel"; exit 77; }
for tool in qemu-system-x86_64 busybox; do
	command -v $tool >/dev/null || { echo "# no $tool here"; exit 77; }
done

if ! said=$("$here/modules.sh" "$driver" "$work" "$kernel/kbuild"); then
	echo "$said"
	echo "not ok - the modules build without a warning"
	exit 1
fi
echo "ok - the modules build without a warning ($said)"

options=
while [ "$1" != -- ]; do
	options="$options $1"
	shift
done
shift
commands=
for program; do
	options="$options -p $program"
	commands="$commands echo '# $(basename "$program")'; $(basename "$program") 2>&1 || status=1;"
done
# Bank addresses that somebody forgot to give back make the module complain when it goes.
# shellcheck disable=SC2086
exec "$here/vm.sh" -t 1500 -o "$work/kernel.log" -a 'its context bank is lost until the DSP restarts' $options \
	-f "$work/qda.ko:/modules/qda.ko" -f "$work/vdsp/qda_vdsp.ko:/modules/qda_vdsp.ko" -- \
	"export CMOCKA_MESSAGE_OUTPUT=TAP; status=0;
	insmod /modules/qda.ko && insmod /modules/qda_vdsp.ko banks=4 || status=1;
	$commands
	rmmod qda_vdsp && rmmod qda && echo 'ok - the modules unload' || { echo 'not ok - the modules unload'; status=1; }
	exit \$status"
