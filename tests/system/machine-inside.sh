#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# In the machine of machine.sh: what administrators and users type, and whether it answers as it should.
set -u
export LC_ALL=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0
cases=0 failed=0
sum="qdactl invoke 'file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0' 2 in:u32:1,2,3,4 out:8:u32"

# Prints the command as typed by USER, and the answer.
as() { # USER COMMAND
	echo "$1@dsp> $2"
	if [ "$1" = root ]; then
		answer=$(timeout 60 sh -c "$2" 2>&1)
	else
		answer=$(timeout 60 runuser -u "$1" -- sh -c "$2" 2>&1)
	fi
	status=$?
	[ -z "$answer" ] || printf '%s\n' "$answer"
}

case_is() { # STATUS WHAT
	cases=$((cases + 1))
	if [ "$1" = 0 ]; then
		echo "ok $cases - $2"
		return
	fi
	echo "not ok $cases - $2"
	failed=1
	journalctl -q -n 25 --no-pager -o short-monotonic -u qdad -u qda-softdsp -u 'qda-vdsp@*' | sed 's/^/# /'
}

# The last command ended with STATUS and answered a line with PATTERN.
expect() { # STATUS PATTERN WHAT
	[ "$status" = "$1" ] && printf '%s\n' "$answer" | grep -Eq "$2"
	case_is $? "$3"
}

until_true() { # COMMAND...
	for _ in $(seq 300); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	return 1
}

echo '# install'
as root 'dpkg -i /mnt/libqdaclient0_*.deb /mnt/qdad_*.deb'
expect 0 'Setting up qdad' 'the packages install'
as root 'systemctl is-active qdad.socket qdad.service'
expect 0 '^active' 'the service runs'
as root 'usermod -a -G qda alice; id alice'
expect 0 '\(qda\)' 'alice is let in'

echo '# the software DSP, and activation by the socket'
as root 'systemctl stop qdad; systemctl is-active qdad.service'
expect 3 'inactive' 'the service stops'
as root 'systemctl enable --now qda-softdsp; systemctl is-active qda-softdsp'
expect 0 '^active' 'the software DSP runs'
as alice "$sum"
expect 0 '10' 'a client starts the daemon, and its call gets through'
as root 'systemctl status qdad --no-pager'
expect 0 'Status: "cdsp up' 'the status says what the domain does'
as bob "$sum"
expect 1 'group' 'bob is refused, with the reason'
as root 'curl -s --unix-socket /run/qdad/metrics.sock http://localhost/metrics | grep ^qdad_domain_up'
expect 0 'cdsp.* 1$' 'metrics are served'
as bob 'curl -s --unix-socket /run/qdad/metrics.sock http://localhost/metrics'
expect 0 'admin=status' 'metrics are not for bob'

echo '# reload'
mkdir -p /etc/qdad/qdad.conf.d
as root "printf '[policy bob]\nuser=bob\nkind=unsigned\nallow=yes\n' >/etc/qdad/qdad.conf.d/bob.conf; systemctl reload qdad"
expect 0 '' 'reload'
until_true runuser -u bob -- qdactl list
as bob "$sum"
expect 0 '10' 'bob may, from now on'
as root "echo nonsense=1 >>/etc/qdad/qdad.conf.d/bob.conf; systemctl reload qdad; sleep 1; journalctl -q -u qdad -n 3 -o cat"
expect 0 'no such key' 'a mistake is told in the journal'
as bob "$sum"
expect 0 '10' 'and what was read before is kept'
rm -r /etc/qdad/qdad.conf.d

echo '# the watchdog'
mkdir -p /etc/systemd/system/qdad.service.d
printf '[Service]\nWatchdogSec=3s\nTimeoutAbortSec=3s\n' >/etc/systemd/system/qdad.service.d/watchdog.conf
as root 'systemctl daemon-reload; systemctl restart qdad; systemctl is-active qdad'
expect 0 '^active' 'a shorter watchdog, to see it bite'
pid=$(systemctl show -P MainPID qdad)
as root "kill -STOP $pid"
gone() { [ "$(systemctl show -P MainPID qdad)" != "$pid" ] && systemctl -q is-active qdad; }
until_true gone
case_is $? 'a daemon that is stuck is started anew'
as alice "$sum"
expect 0 '10' 'and serves'
rm -r /etc/systemd/system/qdad.service.d
systemctl daemon-reload

echo '# under load'
load() {
	while [ -e /tmp/load ]; do
		runuser -u alice -- sh -c "$sum" >>/tmp/load.log 2>&1
	done
}
touch /tmp/load
load & load &
pid=$(systemctl show -P MainPID qdad)
as root "kill -KILL $pid"
until_true gone
case_is $? 'a daemon that was killed is started anew'
as alice "$sum"
expect 0 '10' 'and serves'
as root 'until pkill -KILL -u alice -x qdactl; do :; done'
as alice "$sum"
expect 0 '10' 'clients that were killed are missed by nobody'
rm /tmp/load
wait
as root 'systemctl stop qdad qdad.socket; systemctl show -P Result qdad'
expect 0 '^success' 'stop'

echo "1..$cases"
exit $failed
