#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# In the machine that accel.sh boots: the software DSP becomes the firmware, qdad serves it, programs use it.
set -u
failed=0 cases=0
. /env # SKELS=FOLDER BENCH=OPTIONS

say() { # STATUS WHAT
	cases=$((cases + 1))
	if [ "$1" = 0 ]; then
		echo "ok $cases - $2"
	else
		echo "not ok $cases - $2"
		failed=1
	fi
}

# A DSP that dies starts again, as a remote processor does.
run_dsp() {
	trap 'ending=yes; kill $dsp' TERM
	ending=
	while [ -z "$ending" ]; do
		qda-softdsp --vdsp /dev/qda-vdsp0 --modules "$SKELS" &
		dsp=$!
		wait $dsp
	done
	wait $dsp
}

# More sessions at one time than the driver's own tests want.
rmmod qda_vdsp && insmod /modules/qda_vdsp.ko banks=16 || exit 1
run_dsp 2>>/tmp/dsp & # its shell tells who was killed
dsp=$!
until [ -e /dev/accel/accel0 ]; do
	kill -0 $dsp || exit 1
	usleep 10000
done

printf '[domain cdsp]\ndevice=accel\n' >/tmp/conf
export QDAD_SOCKET=/tmp/qdad.sock QDAD_SECCOMP=kill
mkfifo /tmp/ready
qdad --user --config /tmp/conf --socket $QDAD_SOCKET --ready-fd 3 3>/tmp/ready &
qdad=$!
read -r ready </tmp/ready
qda-image -o /tmp/out /picture/*
say $? "qda-image has its picture from /dev/accel/accel0"
qdactl status
for file in /soft/*; do
	cmp "$file" "/tmp/out/${file##*/}"
	say $? "${file##*/}: the same bytes as on the soft device"
done
kill $qdad
wait $qdad
say $? "qdad ends when it is told"

# Shortly, to see that it works; or for its figures: then the DSP is on the core of all the others.
[ -z "$BENCH" ] || taskset -a -p 1 "$(pidof qda-softdsp)" >/dev/null
if command -v invoke >/dev/null; then
	# shellcheck disable=SC2086 # words are meant to split
	invoke --accel ${BENCH:---rounds 1 --calls 20}
	say $? "the benchmark gets its answers"
fi

# What tests look for in a system.
mkdir -p /usr/bin /dev/pts
mount -t devpts devpts /dev/pts
ln -s /bin/env /usr/bin/env
printf 'root:x:0:\nqda:x:99:\n' >/etc/group
printf 'root:x:0:0:root:/:/bin/sh\n' >/etc/passwd

# Brokers of tests find the domain on the driver.
export QDAD_TEST_ACCEL=yes QDAD_TEST_SLOWNESS=20
for test in /tests/*; do
	[ -e "$test" ] || break
	echo "# ${test##*/}"
	"$test" || failed=1
done

kill $dsp
wait $dsp
say $? "the software DSP ends when it is told"
[ $failed = 0 ] || tail -n 20 /tmp/dsp | sed 's/^/# /'
echo "1..$cases"
exit $failed
