#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: vm.sh BUILD [OPTION-OF-INVOKE]...
#
# The benchmark on a DSP behind the driver, in a machine of its own. That one is emulated: the ratios say something, the
# microseconds do not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- --rounds 9 --calls 200
QDAD_BENCH=$* exec "$here/../system/accel.sh" "$build" "$here/../data/lighthouse.png"
