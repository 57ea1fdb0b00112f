#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: install.sh [--no-install] build|check
#
# Sees to it that what tests/packages lists is there. Installs what is missing with apt-get, through sudo when it is not
# run by root; with nothing missing it needs neither. --no-install: only says what is missing, and fails.
set -eu
here=$(dirname "$0")
install=yes
[ "$1" != --no-install ] || { install=no; shift; }
purpose=$1

have() {
	case $1 in
	command) command -v "$2" ;;
	header) [ -e "/usr/include/$2" ] || echo "#include <$2>" | cc -E - ;;
	library) pkg-config --exists "$2" ;;
	esac >/dev/null 2>&1
}

missing=$(grep -v '^#' "$here/packages" | while read -r kind what package for; do
	[ "$for" = build ] || [ "$for" = "$purpose" ] || continue
	have "$kind" "$what" || echo "$package"
done | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if [ $install = no ] || ! command -v apt-get >/dev/null; then
	echo "missing, by the names of Debian 12: $missing" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo=sudo
	[ -t 0 ] || sudo="sudo -n" # nobody is there to type a password
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing: $missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # words are meant to split
if ! { $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
	cat "$log" >&2
	echo "could not install: $missing" >&2
	exit 1
fi
