#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: units.sh UNITS SOCKETS
#
# What systemd itself says of the units in the folder UNITS and of the sockets in SOCKETS: it understands all of them, and
# qdad.service exposes little.
# Exit status 77, and the reason, where there is no systemd-analyze.
set -u
command -v systemd-analyze >/dev/null || { echo 'no systemd-analyze here (package systemd)' >&2; exit 77; }
failed=0

limit() { # UNIT EXPOSURE*10
	text=$(systemd-analyze security --offline=true --no-pager --threshold="$2" "$units/$1" 2>&1)
	status=$?
	echo "$1: $(printf '%s\n' "$text" | sed -n 's/.*\(Overall exposure level.*\)/\1/p' | tr -cd '[:print:]')"
	[ $status = 0 ] && return
	printf '%s\n' "$text"
	failed=1
}

units=$1
# The programs are not where they will be.
if systemd-analyze verify --man=no "$units"/*.service "$2"/*.socket 2>&1 | grep -v 'is not executable: No such file'; then
	failed=1
fi
limit qdad.service 8
limit qda-softdsp.service 10
limit qda-vdsp@.service 10
exit $failed
