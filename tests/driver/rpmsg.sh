#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: rpmsg.sh DRIVER WORK
#
# The modules build without a warning for a kernel that has rpmsg and device trees (see source.sh), and the transport for
# real DSPs is then part of qda.ko. Nothing is run: there is no such DSP here. Skipped, with the reason, when the
# kernel tree cannot be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$("$here/source.sh" 2>&1) || {
	[ $? = 77 ] || { echo "$tree" | sed 's/^/# /'; exit 1; }
	echo "1..0 # SKIP $tree"
	exit 0
}

echo 1..2
status=0
if said=$("$here/modules.sh" "$1" "$2" "$tree" KBUILD_MODPOST_WARN=1); then
	echo "ok 1 - the modules build with rpmsg without a warning ($said)"
else
	echo "$said"
	echo "not ok 1 - the modules build with rpmsg without a warning"
	status=1
fi
if nm "$2/qda.ko" 2>/dev/null | grep -q 'U rpmsg_send$'; then
	echo "ok 2 - the rpmsg transport is part of qda.ko"
else
	echo "not ok 2 - the rpmsg transport is part of qda.ko"
	status=1
fi
exit $status
