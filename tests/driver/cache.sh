# SPDX-License-Identifier: BSD-3-Clause
# Sourced by kernel.sh, source.sh and debug-kernel.sh: what they make of Debian's packages is kept in the cache of the
# user (~/.cache/qdad), never in the tree. It is made in a folder beside its final place, so that what is found under its
# name is whole; what an interrupted run leaves is thrown away by the next.
series=6.12
cache=${XDG_CACHE_HOME:-$HOME/.cache}/qdad

skip() {
	echo "$1" >&2
	exit 77
}

# The last line of a list of reasons.
last() { # FILE
	tail -n 1 "$1" 2>/dev/null | grep . || echo 'no such package'
}

need() { # TOOL...
	[ "$(uname -m)" = x86_64 ] || skip "the kernel for the VM is for x86_64, this machine is $(uname -m)"
	for tool; do
		command -v "$tool" >/dev/null || skip "$what needs $tool, which is not here"
	done
}

newest() { # PREFIX
	find "$cache" -mindepth 1 -maxdepth 1 -name "$1-$series.*" 2>/dev/null | sort -V | tail -n 1
}

# One at a time for each kind of thing, whoever comes second finds it made.
lock() { # KIND
	mkdir -p "$cache"
	exec 9>"$cache/$1.lock"
	flock 9
}

# A fresh folder to work in. Wants the lock.
begin() { # KIND
	work=$cache/$1.work
	rm -rf "$work"
	mkdir "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM HUP
	cd "$work"
}

# A machine whose lists of packages are missing or out of date gets one attempt to renew them.
renewed=
renew() {
	[ -z "$renewed" ] && [ "$(id -u)" = 0 ] || return 1
	renewed=yes
	apt-get update -q >/dev/null 2>&1 </dev/null
}

download() { # PACKAGE...: into this folder
	apt-get download -q "$@" >log 2>&1 </dev/null
}

# Moves what is in FOLDER to its name, where older ones make room.
keep() { # KIND FOLDER NAME
	find "$cache" -mindepth 1 -maxdepth 1 -name "$1-$series.*" -exec rm -rf {} +
	chmod 755 "$2"
	mv "$2" "$cache/$3"
}
