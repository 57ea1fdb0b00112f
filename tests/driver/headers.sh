#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: headers.sh INCLUDE SYSTEM-INCLUDE
#
# The headers between kernel and programs, by themselves: as C and C++, on 32 and 64 bit, with no hole in any struct.
# SYSTEM-INCLUDE: where drm.h is, whose own holes are not looked at.
set -u
include=$1
set -- -isystem "$2" -isystem "/usr/include/$(cc -print-multiarch)"
status=0 n=0

try() {
	n=$((n + 1))
	what=$1 header=$2
	shift 2
	if echo "#include \"$header\"" | "$@" -I "$include" -Wall -Wextra -Wpadded -Werror -fsyntax-only -; then
		echo "ok $n - $header, $what"
	else
		echo "not ok $n - $header, $what"
		status=1
	fi
}

echo 1..8
for header in qda_accel.h qda_vdsp.h; do
	try "C" $header cc -x c -std=c99 -pedantic "$@"
	try "C, 32 bit" $header cc -x c -std=c99 -m32 "$@"
	if command -v c++ >/dev/null; then
		try "C++" $header c++ -x c++ -std=c++11 -pedantic "$@"
		try "C++, 32 bit" $header c++ -x c++ -std=c++11 -m32 "$@"
	else
		echo "ok $((n + 1)) - $header, C++ # SKIP no C++ compiler here"
		echo "ok $((n + 2)) - $header, C++, 32 bit # SKIP no C++ compiler here"
		n=$((n + 2))
	fi
done
exit $status
