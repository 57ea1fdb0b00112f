# SPDX-License-Identifier: BSD-3-Clause
"""A private bus, a real qdad on it, and a software DSP: what the tests here share.

Paths come from the environment: QDAD, SKELS, SOFTDSP are those of the build. A test is a function whose name
begins with test_; main() runs those of a module on each bus there is, dbus-daemon and dbus-broker.
"""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

try:
    import dbus
    import dbus.bus
    from gi.repository import GLib  # noqa: F401
except ImportError as e:
    print("SKIP: %s; install python3-dbus and python3-gi" % e)
    sys.exit(77)

NAME = "org.qdad.Broker1"
PATH = "/org/qdad/Broker1"
MANAGER, SESSION = NAME + ".Manager", NAME + ".Session"
SUM = "file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke"
ARGS = "file:///libqda_args_skel.so?qda_args_skel_handle_invoke"
BAD = "file:///libqda_bad_skel.so?qda_bad_skel_handle_invoke"
SKIP = 77
PATIENCE = 60  # much more than anything needs that is to happen at once

CONFIG = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="org.freedesktop.PolicyKit1"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/><allow send_destination="org.freedesktop.PolicyKit1"/>
</policy><include>{policy}</include></busconfig>
"""

children = []


def end_all():
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


atexit.register(end_all)


def spawn(*command, **options):
    child = subprocess.Popen(command, **options)
    children.append(child)
    return child


def wait_for(condition, what, seconds=PATIENCE):
    for _ in range(100 * seconds):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited %d s in vain: %s" % (seconds, what))


def listens(path):
    """A socket that is only bound refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        return one.connect_ex(path) == 0


class Bus:
    def __init__(self, kind):
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix="qda-dbus-")
        os.chmod(self.dir, 0o755)
        self.path = self.dir + "/bus"
        self.address = "unix:path=" + self.path
        if kind == "dbus-broker":
            self.child = spawn(os.environ["BROKER_CONTROLLER"], self.path, stdout=subprocess.PIPE)
            assert self.child.stdout.readline() == b"ready\n"
            with open("/proc/%d/task/%d/children" % (self.child.pid, self.child.pid)) as children:
                self.pid = int(children.read().split()[0])
        else:
            with open(self.dir + "/bus.conf", "w") as conf:
                conf.write(CONFIG.format(path=self.path, policy=os.environ["DBUS_POLICY"]))
            self.child = spawn("dbus-daemon", "--config-file=" + self.dir + "/bus.conf", "--nofork",
                               "--print-address", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert self.child.stdout.readline()
            self.pid = self.child.pid
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = os.environ["DBUS_SESSION_BUS_ADDRESS"] = self.address

    def close(self):
        self.child.kill()
        self.child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Qdad:
    """The daemon as a system service would run: several users, not --user."""

    def __init__(self, bus, config=""):
        self.dir = tempfile.mkdtemp(prefix="qda-dbus-")
        os.chmod(self.dir, 0o755)
        dsp = self.dir + "/dsp.sock"
        self.dsp = spawn(os.environ["SOFTDSP"], "--socket", dsp, "--modules", os.environ["SKELS"],
                         stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(dsp), "the software DSP listens")
        self.config = self.dir + "/qdad.conf"
        self.write(config, dsp, bus.address)
        self.log = open(self.dir + "/log", "w+")
        read, write = os.pipe()
        self.child = spawn(os.environ["QDAD"], "--socket", self.dir + "/qdad.sock", "--config", self.config,
                           "--ready-fd", str(write), pass_fds=[write], stderr=self.log)
        os.close(write)
        assert os.read(read, 6) == b"ready\n"
        os.close(read)
        caller = dbus.bus.BusConnection(bus.address)
        wait_for(lambda: caller.name_has_owner(NAME), "qdad has its name")
        caller.close()

    def write(self, config, dsp=None, address=None):
        if dsp:
            self.head = "[daemon]\nbus=%s\n[domain cdsp]\nsocket=%s\n" % (address, dsp)
        with open(self.config, "w") as file:
            file.write(self.head + config)

    def said(self):
        with open(self.dir + "/log") as log:
            return log.read()

    def close(self):
        """Ends in order: every account must be back at zero, which qdad asserts."""
        self.child.send_signal(signal.SIGTERM)
        status = self.child.wait(PATIENCE)
        self.dsp.kill()
        self.dsp.wait()
        said = self.said()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert status == 0, "qdad ended with %d: %s" % (status, said)


def main(module, options=None):
    """Every test_ of a module, on each bus that is installed."""
    failed, ran = 0, 0
    only = sys.argv[1:]
    for kind in ("dbus-daemon", "dbus-broker"):
        if not shutil.which(kind) or (kind == "dbus-broker" and not os.environ.get("BROKER_CONTROLLER")):
            print("SKIP on %s: it is not installed" % kind)
            continue
        for name, test in list(vars(module).items()):
            if not name.startswith("test_") or (only and name not in only):
                continue
            bus = Bus(kind)
            try:
                test(bus)
                print("ok   %s, %s" % (kind, name), flush=True)
                ran += 1
            except Exception:
                failed += 1
                print("FAIL %s, %s" % (kind, name), flush=True)
                traceback.print_exc()
            bus.close()
    print("%d ran, %d failed" % (ran + failed, failed))
    sys.exit(1 if failed else 0 if ran else SKIP)
