# SPDX-License-Identifier: BSD-3-Clause
"""polkit, played by a small service on the private bus: it allows, denies, says nothing, or is not there."""
import os
import select
import sys
import threading

import bus as house  # first: it says what is missing
from bus import NAME, wait_for

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

from wire import Wire

from test_front import Caller, arguments, as_uid, refused, total  # noqa: F401

POLKIT = "org.freedesktop.PolicyKit1"


class Authority(dbus.service.Object):
    @dbus.service.method(POLKIT + ".Authority", in_signature="(sa{sv})sa{ss}us", out_signature="(bba{ss})",
                         async_callbacks=("answer", "fail"))
    def CheckAuthorization(self, subject, action, details, flags, cancel, answer, fail):
        os.write(self.questions, ("%s %s %s %d\n" % (subject[0], subject[1]["name"], action, flags)).encode())
        if self.answers != "silent":
            answer((self.answers == "yes", False, dbus.Dictionary({}, signature="ss")))


def play_polkit(bus, answers):
    """In a process of its own. Returns it, and where it tells what it was asked."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
        connection = dbus.bus.BusConnection(bus.address)
        authority = Authority(connection, "/org/freedesktop/PolicyKit1/Authority")
        authority.questions, authority.answers = write, answers
        name = dbus.service.BusName(POLKIT, connection)
        os.write(write, b"ready\n")
        GLib.MainLoop().run()
        os._exit(len([name]))
    os.close(write)
    questions = os.fdopen(read)
    assert questions.readline() == "ready\n"
    return child, questions


def end(child):
    os.kill(child, 9)
    os.waitpid(child, 0)


def with_polkit(answers, config=""):
    """The test runs while polkit answers so; of what it was asked the test gets a reader."""
    def wrap(test):
        def run(bus):
            if os.getuid() != 0:
                print("SKIP polkit: only root can be another user, whom it would be asked about")
                return
            qdad = house.Qdad(bus, config)
            child, questions = play_polkit(bus, answers) if answers else (None, None)
            try:
                test(bus, qdad, questions, child)
            finally:
                if child:
                    end(child)
                qdad.close()
        return run
    return wrap


HE = "[policy 10-he]\nuser=1\nkind=unsigned\nallow=yes\n"


@with_polkit("yes")
def test_allowed(bus, qdad, questions, polkit):
    mine = Caller(bus)
    session = mine.open()
    number = dbus.UInt64(mine.get(session.object_path, "Session", "Number"))

    def stranger(caller):
        caller.manager.Reload()
        caller.manager.SetQuota("total", dbus.UInt64(0), "", "buffers", dbus.UInt64(77))
        caller.manager.KillSession(number)
        refused("AccessDenied", caller.open)  # that is the policy's alone
        return caller.bus.get_unique_name()

    name = as_uid(1, bus, stranger)
    for action in ("reload", "quota", "kill"):
        assert questions.readline() == "system-bus-name %s org.qdad.broker1.%s 0\n" % (name, action)
    assert mine.get(session.object_path, "Session", "State") == "lost"
    mine.close()


@with_polkit("yes", HE)
def test_a_grant_is_for_one_request(bus, qdad, questions, polkit):
    def stranger(caller):
        caller.manager.Reload()
        caller.manager.Reload()
        session = caller.open(kind="privileged")
        session.OpenModule(house.SUM)
        caller.open(kind="privileged")
        session.OpenModule(house.SUM)
        session.Close()
        caller.open(kind="privileged")

    as_uid(1, bus, stranger)
    os.set_blocking(questions.fileno(), False)
    said = [line.split()[2] for line in questions.read().splitlines()]
    wanted = ["reload"] * 2 + ["privileged-session"] * 3
    assert said == ["org.qdad.broker1." + a for a in wanted], said


@with_polkit("no")
def test_denied(bus, qdad, questions, polkit):
    said = as_uid(1, bus, lambda caller: refused("AccessDenied", caller.manager.Reload))
    assert "admin=reload" in said, said
    assert "org.qdad.broker1.reload" in questions.readline()


@with_polkit("no")
def test_root_is_not_asked_about(bus, qdad, questions, polkit):
    caller = Caller(bus)
    caller.manager.Reload()
    os.set_blocking(questions.fileno(), False)
    assert not questions.readline()
    caller.close()


@with_polkit(None)
def test_without_polkit_the_policy_decides(bus, qdad, questions, polkit):
    as_uid(1, bus, lambda caller: refused("AccessDenied", caller.manager.Reload))
    caller = Caller(bus)
    caller.manager.Reload()
    caller.close()


@with_polkit("silent")
def test_polkit_goes_while_it_is_asked(bus, qdad, questions, polkit):
    def end_it():
        questions.readline()
        os.kill(polkit, 9)

    thread = threading.Thread(target=end_it)
    thread.start()
    as_uid(1, bus, lambda caller: refused("AccessDenied", caller.manager.Reload))
    thread.join()


@with_polkit("silent")
def test_the_caller_goes_while_polkit_is_asked(bus, qdad, questions, polkit):
    child = os.fork()
    if child == 0:
        os.setgid(1)
        os.setuid(1)
        Caller(bus).manager.Reload()
        os._exit(1)
    assert "reload" in questions.readline()
    os.kill(child, 9)
    os.waitpid(child, 0)
    watcher = Caller(bus)
    wait_for(lambda: total(watcher, "connections") == 1, "its client goes")
    watcher.close()


@with_polkit("silent")
def test_a_question_keeps_no_descriptors(bus, qdad, questions, polkit):
    def stranger(caller):
        wire = Wire(bus.path)
        read, write = os.pipe()
        os.set_blocking(read, False)
        wire.send(NAME, "/org/qdad/Broker1", NAME + ".Manager", "Reload", fds=[write])
        os.close(write)
        assert select.select([read], [], [], house.PATIENCE)[0] and os.read(read, 1) == b"", "the daemon holds it"
        assert "reload" in questions.readline()

    as_uid(1, bus, stranger)


@with_polkit("silent")
def test_questions_are_bounded(bus, qdad, questions, polkit):
    def stranger(caller):
        for _ in range(4):
            message = dbus.lowlevel.MethodCallMessage(NAME, "/org/qdad/Broker1", NAME + ".Manager", "Reload")
            caller.bus.send_message(message)
        return refused("AccessDenied", caller.manager.Reload)

    as_uid(1, bus, stranger)


if __name__ == "__main__":
    house.main(sys.modules[__name__])
