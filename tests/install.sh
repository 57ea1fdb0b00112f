#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: install.sh [--no-install] build|check
#
# Sees to it that what tests/packages lists is there. Installs what is missing with apt-get, through sudo when it is not
# run by root; with nothing missing it needs neither. --no-install: only says what is missing, and fails.
# What the virtual machine of the tests needs is installed for "check" too where that can be done; it is never a failure.
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
	python) /usr/bin/python3 -c "import $2" ;; # that meson runs with
	esac >/dev/null 2>&1
}

missing_for() {
	grep -v '^#' "$here/packages" | while read -r kind what package for; do
		case " $* " in *" $for "*) have "$kind" "$what" || echo "$package" ;; esac
	done | sort -u | tr '\n' ' '
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo=sudo
	[ -t 0 ] || sudo="sudo -n" # nobody is there to type a password
fi
# shellcheck disable=SC2086 # words are meant to split
get() { # PACKAGE...
	echo "installing: $*"
	{ $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends $*; } >"$log" 2>&1 </dev/null
}

missing=$(missing_for build "$purpose")
if [ -n "$missing" ]; then
	if [ $install = no ] || ! command -v apt-get >/dev/null; then
		echo "missing, by the names of Debian 12: $missing" >&2
		exit 1
	fi
	if ! get "$missing"; then
		cat "$log" >&2
		echo "could not install: $missing" >&2
		exit 1
	fi
fi

[ "$purpose" = check ] && [ "$(uname -m)" = x86_64 ] || exit 0
missing=$(missing_for vm)
if [ -n "$missing" ] && { [ $install = no ] || ! get "$missing"; }; then
	echo "tests in a virtual machine are skipped, for want of: $missing"
fi
