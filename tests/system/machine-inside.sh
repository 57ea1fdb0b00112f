#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# In the machine of machine.sh: what administrators and users type, and whether it answers as it should. /mnt has the
# packages, next versions of them in next/, modules/, and a skel whose calls take time.
set -u
export LC_ALL=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive
cases=0 failed=0
sum="qdactl invoke 'file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0' 2 in:u32:1,2,3,4 out:8:u32"
hold="qdactl invoke 'file:///libqda_null_skel.so?qda_null_skel_handle_invoke&_modver=1.0' 3 in:u32:"
bus='busctl call org.qdad.Broker1 /org/qdad/Broker1 org.qdad.Broker1.Manager'

# Prints the command as typed by USER, and the answer.
as() { # USER COMMAND
	echo "$1@dsp> $2"
	if [ "$1" = root ]; then
		answer=$(timeout 300 sh -c "$2" 2>&1 </dev/null)
	else
		answer=$(timeout 300 runuser -u "$1" -- sh -c "$2" 2>&1 </dev/null)
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
	journalctl -q --cursor-file=/tmp/cursor -o short-monotonic -u qdad -u qda-softdsp -u 'qda-vdsp@*' | sed 's/^/# /'
}

# The last command ended with STATUS and answered a line with PATTERN.
expect() { # STATUS PATTERN WHAT
	[ "$status" = "$1" ] && printf '%s\n' "$answer" | grep -Eq "$2"
	case_is $? "$3"
}

until_true() { # COMMAND...
	for _ in $(seq 1500); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	return 1
}

pid_of() { systemctl show -P MainPID qdad; }
is_new() { [ "$(pid_of)" != "$pid" ] && systemctl -q is-active qdad; }

# Everything that a package could leave: not what dpkg, logs and caches remember of all packages. (dh_apparmor removes
# the folder `disable` where it is empty, whoever made it.)
files() {
	find / -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /tmp -o -path /root -o -path /proc \
		-o -path /var/lib/systemd -o -path /var/lib/apt -o -path /var/tmp -o -path /etc/apparmor.d/disable \) -prune -o -print | LC_ALL=C sort
	ls -d /run/qdad /run/qda-softdsp 2>/dev/null
	cut -d: -f1 /etc/passwd /etc/group | sed 's/^/user or group /' | LC_ALL=C sort
}

echo '# installing'
ldconfig
files >/tmp/before
as root 'apt-get install -q -y /mnt/libqdaclient0_*.deb /mnt/qdad_*.deb'
expect 0 'Setting up qdad' 'the packages install'
as root 'systemctl is-active qdad.socket qdad-metrics.socket qdad.service'
expect 0 '^active' 'the service runs'
as root 'usermod -a -G qda alice; id alice'
expect 0 '\(qda\)' 'alice is let in'
as root 'cat /proc/$(pidof qdad)/attr/current'
expect 0 '^qdad \(enforce\)' 'AppArmor holds it'

echo '# the software DSP, and activation by the socket'
as root 'systemctl stop qdad; systemctl is-active qdad.service'
expect 3 'inactive' 'the service stops'
as root 'systemctl enable --now qda-softdsp; systemctl is-active qda-softdsp'
expect 0 '^active' 'the software DSP runs'
as alice "$sum"
expect 0 '^  10 0$' 'a client starts the daemon, and its call gets through'
as root 'systemctl status qdad --no-pager'
expect 0 'Status: "cdsp up' 'the status says what the domain does'
as bob "$sum"
expect 1 'group' 'bob is refused, with the reason'

echo '# metrics'
as root 'systemctl stop qdad; curl -s --unix-socket /run/qdad/metrics.sock http://localhost/metrics | grep ^qdad_domain_up'
expect 0 'cdsp' 'who asks for metrics starts the daemon, too'
as bob 'curl -s --unix-socket /run/qdad/metrics.sock http://localhost/metrics'
expect 0 'admin=status' 'they are not for bob'

echo '# the bus'
as root 'systemctl stop qdad'
as alice "$bus ListDomains"
expect 0 '"cdsp"' 'a call on the bus starts the daemon'
as alice 'busctl --list tree org.qdad.Broker1'
expect 0 '/org/qdad/Broker1/domain' 'the tree of objects'
as alice 'busctl introspect org.qdad.Broker1 /org/qdad/Broker1/domain/cdsp'
expect 0 '\.State +property +s +"up"' 'properties of a domain'
as bob "$bus OpenSession ssa{sv} cdsp unsigned 0"
expect 1 'group' 'bob may open no session there either'
as alice "$bus OpenSession ssa{sv} cdsp unsigned 0"
expect 0 '^o "/org/qdad/Broker1/session' 'alice may'

echo '# polkit'
as alice "$bus Reload"
expect 1 'Access ?denied|may not' 'alice may not have the configuration read'
cat >/etc/polkit-1/rules.d/10-test.rules <<'END'
polkit.addRule(function(action, subject) {
	if (action.id == "org.qdad.broker1.reload" && subject.user == "alice")
		return polkit.Result.YES;
});
END
allowed() { runuser -u alice -- sh -c "$bus Reload"; }
until_true allowed
as alice "$bus Reload"
expect 0 '' 'until polkit has a rule for her'
as alice "$bus KillClient t 1"
expect 1 'may not|Access ?denied' 'which is for nothing else'
rm /etc/polkit-1/rules.d/10-test.rules

echo '# reload'
mkdir -p /etc/qdad/qdad.conf.d
as root "printf '[policy bob]\nuser=bob\nkind=unsigned\nallow=yes\n' >/etc/qdad/qdad.conf.d/bob.conf; systemctl reload qdad"
expect 0 '' 'reload'
until_true runuser -u bob -- qdactl list
as bob "$sum"
expect 0 '^  10 0$' 'bob may, from now on'
as root "echo nonsense=1 >>/etc/qdad/qdad.conf.d/bob.conf; systemctl reload qdad"
told() { journalctl -q -u qdad -n 5 -o cat | grep 'no such key'; }
until_true told
as root 'journalctl -q -u qdad -n 3 -o cat'
expect 0 'no such key' 'a mistake is told in the journal'
as bob "$sum"
expect 0 '^  10 0$' 'and what was read before is kept'
as root 'systemctl restart qdad; systemctl status qdad --no-pager'
expect 3 'bob.conf:5: nonsense=1' 'a service that is started with it fails, and says why'
as root "printf '[domain cdsp]\ndevice=soft\n' >/etc/qdad/qdad.conf.d/bob.conf; systemctl restart qdad; systemctl is-active qdad qdad.socket"
expect 0 '^active' 'and starts when it is mended'
as alice "$sum"
expect 0 '^  10 0$' 'a domain that is soft is the software DSP of the system'
rm -r /etc/qdad/qdad.conf.d
systemctl restart qdad

echo '# modules of one'"'"'s own'
cp /mnt/libqda_null_skel.so /tmp/ && chmod 644 /tmp/libqda_null_skel.so
mkdir -p /etc/qdad/qdad.conf.d
own="qdactl invoke -m /tmp 'file:///libqda_null_skel.so?qda_null_skel_handle_invoke&_modver=1.0' 2"
as alice "$own"
expect 1 'dirs=yes' 'directories that programs bring need a rule'
as root "printf '[policy alice]\nuser=alice\nkind=unsigned\ndirs=yes\nallow=yes\n' >/etc/qdad/qdad.conf.d/alice.conf; qdactl reload"
expect 0 '' 'which is this one'
as alice "$own"
expect 0 'returned 0' 'and is enough'
rm -r /etc/qdad/qdad.conf.d /tmp/libqda_null_skel.so
qdactl reload

echo '# the journal'
as root "journalctl -q -u qdad QDA_UID=\$(id -u bob) -o verbose -n 1"
expect 0 'QDA_UID=' 'what was refused to bob can be found by his uid'
printf '%s\n' "$answer" | grep -q 'MESSAGE_ID=3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b05'
case_is $? 'and by the kind of message'
as root "journalctl -q -x -u qdad QDA_UID=\$(id -u bob) -n 1"
expect 0 'The policy refused a request of user' 'whose explanation is in the catalog'

echo '# the watchdog'
mkdir -p /etc/systemd/system/qdad.service.d
printf '[Service]\nWatchdogSec=3s\nTimeoutAbortSec=3s\n' >/etc/systemd/system/qdad.service.d/watchdog.conf
as root 'systemctl daemon-reload; systemctl restart qdad; systemctl is-active qdad'
expect 0 '^active' 'a shorter watchdog, to see it bite'
pid=$(pid_of)
as root "kill -STOP $pid"
until_true is_new
case_is $? 'a daemon that is stuck is started anew'
as alice "$sum"
expect 0 '^  10 0$' 'and serves'
rm -r /etc/systemd/system/qdad.service.d
systemctl daemon-reload

echo '# under load'
load() {
	while [ -e /tmp/load ]; do
		runuser -u alice -- sh -c "$sum" >>/tmp/load.log 2>&1
		sleep 0.2 # for what else the machine has to do
	done
}
touch /tmp/load
load & load &
pid=$(pid_of)
as root "kill -KILL $pid"
until_true is_new
case_is $? 'a daemon that was killed is started anew'
as alice "$sum"
expect 0 '^  10 0$' 'and serves'
as root 'until pkill -KILL -u alice -x qdactl; do :; done'
as alice "$sum"
expect 0 '^  10 0$' 'clients that were killed are missed by nobody'

echo '# an upgrade under load'
: >/tmp/load.log
pid=$(pid_of)
as root 'dpkg -i /mnt/next/*.deb'
expect 0 'Setting up qdad' 'the next version installs'
until_true is_new
case_is $? 'the new daemon runs'
as root 'dpkg -s qdad | grep ^Version; systemctl is-active qdad qda-softdsp qdad.socket qdad-metrics.socket'
expect 0 '\+1$' 'and all that ran before'
calls() { [ "$(grep -c '^  10 0$' /tmp/load.log)" -gt 20 ]; }
until_true calls
case_is $? 'programs work on'
as root "grep -v '^argument\|^  10 0\|^method 2 returned 0' /tmp/load.log | sort | uniq -c"
rm /tmp/load
wait
as alice "$sum"
expect 0 '^  10 0$' 'and new ones'

echo '# the end of a service'
cp /mnt/libqda_null_skel.so "$(dirname "$(find /usr/lib -name libqda_sum_skel.so)")/"
runuser -u alice -- sh -c "$hold"2000000 >/tmp/held 2>&1 &
held=$!
running() { qdactl --json status | grep -Eq '"in_flight": *1'; }
until_true running
case_is $? 'a call runs'
as root 'systemctl stop qdad; systemctl show -P Result qdad'
expect 0 '^success' 'the service stops'
wait $held
case_is $? 'when the call has ended, with its answer'
rm "$(find /usr/lib -name libqda_null_skel.so)"

echo '# a DSP behind the driver: the device starts the daemon'
as root 'systemctl disable --now qda-softdsp'
mkdir -p "/lib/modules/$(uname -r)/updates/dkms"
cp /mnt/modules/*.ko "/lib/modules/$(uname -r)/updates/dkms/"
as root 'depmod; modprobe -a qda qda_vdsp'
expect 0 '' 'the modules load'
until_true systemctl -q is-active qdad
as root 'ls -l /dev/accel; systemctl is-active qdad "qda-vdsp@0"'
expect 0 ' qdad +qdad .*accel0' 'its node is the daemon'"'"'s'
as alice "$sum"
expect 0 '^  10 0$' 'a call gets through'
as alice 'qdactl list'
expect 0 'cdsp +up +accel' 'by the driver'
as alice 'cat </dev/accel/accel0'
expect 2 'Permission denied' 'the node is for nobody else'
as root "$bus OpenSession ssa{sv} cdsp privileged 0"
expect 1 'CAP_SYS_ADMIN' 'privileged sessions are not even for root, as shipped'
as root 'mkdir -p /etc/systemd/system/qdad.service.d; cp /usr/share/doc/qdad/examples/privileged.conf /etc/systemd/system/qdad.service.d/; systemctl daemon-reload; systemctl restart qdad'
expect 0 '' 'with the drop-in of the examples'
as root "$bus OpenSession ssa{sv} cdsp privileged 0"
expect 0 '^o "/org/qdad/Broker1/session' 'they are'
rm -r /etc/systemd/system/qdad.service.d
systemctl daemon-reload
systemctl restart qdad
as root 'systemctl stop qda-vdsp@0'
down() { qdactl list | grep -Eq 'cdsp +down'; }
until_true down
as alice 'qdactl list'
expect 0 'cdsp +down' 'a DSP that goes is down'
as root 'systemctl start qda-vdsp@0'
works() { runuser -u alice -- sh -c "$sum"; }
until_true works
as alice "$sum"
expect 0 '^  10 0$' 'it comes back'
as root 'systemctl stop qdad qda-vdsp@0; rmmod qda_vdsp qda'
expect 0 '' 'the modules unload'
rm -r "/lib/modules/$(uname -r)/updates"
depmod

echo '# a broker of one'"'"'s own'
as root 'systemctl mask --now qdad.socket qdad.service'
as root 'loginctl enable-linger bob; until systemctl -q is-active user@$(id -u bob); do sleep 0.2; done; systemctl --user -M bob@ start qdad.socket'
expect 0 '' "bob's own manager listens for him"
as bob "export XDG_RUNTIME_DIR=/run/user/\$(id -u); $sum"
expect 0 '^  10 0$' 'and starts a broker with a DSP for him'
as root 'loginctl disable-linger bob; systemctl unmask qdad.socket qdad.service; loginctl terminate-user bob'
stopped() { ! systemctl -q is-active "user@$(id -u bob)"; }
until_true stopped

echo '# nobody was in the way'
# clone3 (435) does not exist for units with RestrictNamespaces=: the C library does without.
as root 'journalctl -q -k -b | grep -E "type=1326|apparmor=.DENIED" | grep qda | grep -v "syscall=435 "'
expect 1 '^$' 'no system call was refused, nor anything by AppArmor'
as root 'journalctl -q -b -p warning -u qdad -u qda-softdsp -u "qda-vdsp@*" -o cat | sort | uniq -c'

echo '# removal'
as root 'apt-get purge -q -y qdad libqdaclient0'
expect 0 'Purging configuration files for qdad' 'the packages go'
as root 'systemctl list-units --all "qdad*" "qda-softdsp*" "qda-vdsp*" --no-legend --plain'
expect 0 '^$' 'no unit is left'
ldconfig
files >/tmp/after
as root 'diff /tmp/before /tmp/after'
expect 0 '' 'nor any file, user or group'

echo "1..$cases"
stty sane # waits until all of it is sent: the machine goes off behind us
exit $failed
