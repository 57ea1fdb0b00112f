#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: headers.sh INCLUDE SYSTEM-INCLUDE
#
# The headers between kernel and programs, by themselves: as C and C++, on 32 and 64 bit, with no hole in any struct.
# SYSTEM-INCLUDE: where drm.h is, whose own holes are not looked at.
set -u
include=$1
set -- -isystem "$2" -isystem "/usr/include/$(cc -print-multiarch)"
status=0

try() {
	what=$1 header=$2
	shift 2
	if echo "#include \"$header\"" | "$@" -I "$include" -Wall -Wextra -Wpadded -Werror -fsyntax-only -; then
		echo "ok - $header, $what"
	else
		echo "not ok - $header, $what"
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
		echo "ok - $header, C++ # SKIP no C++ compiler here"
		echo "ok - $header, C++, 32 bit # SKIP no C++ compiler here"
	fi
done
exit $status
