#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: style.sh DRIVER
#
# What checkpatch.pl --strict says about the kernel's part of DRIVER (the driver folder of this tree) must be in the table
# of DRIVER/README.md, which gives the reason; and what is in the table must still be said. Errors are never allowed.
# Skipped, with the reason, when checkpatch.pl cannot be had (see source.sh).
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$("$here/source.sh" 2>&1) || {
	[ $? = 77 ] || { echo "$tree" | sed 's/^/# /'; exit 1; }
	echo "1..0 # SKIP $tree"
	exit 0
}
cd "$1" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Rows: | `file or folder/` | `KIND`, `KIND` | reason |
sed -n '/^## What checkpatch/,/^## /s/^| `\([^`]*\)` | \(`[A-Z_`, ]*`\) |.*/\1 \2/p' README.md | tr -d '`,' >"$work/table"

# Lines: file:line: LEVEL:KIND: what
# Without a kernel tree around the files it has things to say on its standard error.
find . -name softdsp -prune -o -name '*.[ch]' -print | sed 's,^\./,,' | sort |
	xargs "$tree/scripts/checkpatch.pl" --no-tree --strict --max-line-length=100 --terse --show-types -f \
	>"$work/said" 2>/dev/null

awk -v table="$work/table" '
BEGIN {
	while ((getline row < table) > 0) {
		n = split(row, field, " ")
		for (i = 2; i <= n; i++)
			stale[field[1] " " field[i]] = 1
	}
	for (key in stale)
		allowed[key] = 1
}
/^total:/ { checked++ }
!/^total:/ && match($0, /: (ERROR|WARNING|CHECK):[A-Z_0-9]+:/) {
	split(substr($0, RSTART + 2), part, ":")
	file = folder = substr($0, 1, index($0, ":") - 1)
	sub(/[^\/]*$/, "", folder)
	for (key in allowed)
		if (part[1] != "ERROR" && (key == file " " part[2] || key == folder " " part[2])) {
			delete stale[key]
			next
		}
	print "# " $0
	bad = 1
}
END {
	print "1..2"
	print (bad || !checked ? "not ok" : "ok") " 1 - what checkpatch says is explained in README.md"
	for (key in stale) {
		print "# " key
		left = 1
	}
	print (left ? "not ok" : "ok") " 2 - what README.md explains is what checkpatch says"
	exit bad || left || !checked
}' "$work/said"
