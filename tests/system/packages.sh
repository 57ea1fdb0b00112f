#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: packages.sh FOLDER [lint]
#
# Builds the Debian packages of this tree in a copy of it and leaves them in FOLDER, unless those there are of the very
# same files. With "lint", asks lintian, too. Exit status 77, and the reason, where the tools are not there.
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
for tool in dpkg-buildpackage dh dh_apparmor dh_dkms dh_python3 meson; do
	command -v $tool >/dev/null || { echo "no $tool here to build packages with" >&2; exit 77; }
done

exec 9>"$folder/lock"
flock 9
cd "$tree"
files() {
	find . -path './build*' -prune -o -path './.*' -prune -o -name __pycache__ -prune -o -type f -print | LC_ALL=C sort
}
sum=$(files | grep -v "^./tests/" | tr "\n" "\0" | xargs -0 sha256sum | sha256sum)
if [ "$(cat "$folder/sum" 2>/dev/null)" != "$sum" ]; then
	rm -rf "$folder/qdad" "$folder"/*.deb "$folder"/*.changes "$folder"/*.buildinfo "$folder/sum"
	mkdir "$folder/qdad"
	files | tar c -T - | tar x -C "$folder/qdad"
	(cd "$folder/qdad" && dpkg-buildpackage -us -uc -b) >"$folder/log" 2>&1 </dev/null ||
		{ tail -n 30 "$folder/log"; exit 1; }
	rm -rf "$folder/qdad"
	printf '%s\n' "$sum" >"$folder/sum"
fi
[ "${2-}" = lint ] || exit 0

command -v lintian >/dev/null || { echo 'no lintian here' >&2; exit 77; }
# It says that root should not run it; nothing it looks at runs.
lintian --allow-root --fail-on error,warning "$folder"/*.changes
