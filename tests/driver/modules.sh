#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: modules.sh DRIVER WORK KBUILD [VARIABLE=VALUE]...
#
# Builds the modules of DRIVER (the driver folder of this tree) in WORK, with all warnings and sparse, against the kernel
# of the folder KBUILD. Says which checks were made; with one warning, fails and prints it.
set -eu
driver=$1 work=$2 kbuild=$3
shift 3

# Built in a copy: kbuild writes beside its sources.
rm -rf "$work"
mkdir -p "$work"
tar -C "$driver" --exclude=./softdsp --exclude='*.o' --exclude='*.cmd' -c . | tar -C "$work" -x
checks=W=1
if command -v sparse >/dev/null; then
	checks='W=1 C=2'
fi
# shellcheck disable=SC2086 # words are meant to split
make -s -C "$work" KDIR="$kbuild" $checks "$@" >"$work/log" 2>&1 || echo "make failed" >>"$work/log"
# Where symbols of the kernel are not known, modpost is told to go on, and names them.
case " $* " in
*' KBUILD_MODPOST_WARN=1 '*) sed -i '/^WARNING: modpost: .* undefined!$/d; /^WARNING: modpost: suppressed .* unresolved/d' "$work/log" ;;
esac
if [ -s "$work/log" ]; then
	sed 's/^/# /' "$work/log"
	exit 1
fi
echo "$checks"
