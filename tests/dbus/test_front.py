# SPDX-License-Identifier: BSD-3-Clause
"""The D-Bus front, seen by callers."""
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import traceback
import xml.etree.ElementTree as xml

import bus as house  # first: it says what is missing
from bus import ARGS, BAD, MANAGER, NAME, PATH, SESSION, SUM, wait_for
from wire import ERROR as IS_ERROR, REPLY as IS_REPLY, Wire, aligned, string, then_array

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib
from gi.repository import GLib


ERROR = "org.qdad.Error."


class Caller:
    """A bus name of its own."""

    def __init__(self, bus):
        self.bus = dbus.bus.BusConnection(bus.address)
        self.name = self.bus.get_unique_name()
        self.manager = dbus.Interface(self.bus.get_object(NAME, PATH, introspect=False), MANAGER)

    def objects(self):
        tree = self.bus.get_object(NAME, PATH, introspect=False)
        return tree.GetManagedObjects(dbus_interface="org.freedesktop.DBus.ObjectManager")

    def open(self, domain="", kind="unsigned", **options):
        path = self.manager.OpenSession(domain, kind, dbus.Dictionary(options, signature="sv"))
        return dbus.Interface(self.bus.get_object(NAME, path, introspect=False), SESSION)

    def get(self, path, interface, name):
        thing = self.bus.get_object(NAME, path, introspect=False)
        return thing.Get(NAME + "." + interface, name, dbus_interface="org.freedesktop.DBus.Properties")

    def close(self):
        self.bus.close()


def arguments(*pairs):
    return dbus.Array([dbus.Struct(pair, signature="sv") for pair in pairs], signature="(sv)")


def invoke(session, module, method, *pairs, **options):
    return session.Invoke(dbus.UInt64(module), dbus.UInt32(method), arguments(*pairs),
                          dbus.Dictionary(options, signature="sv"), byte_arrays=True, timeout=house.PATIENCE)


def place(buffer, offset, length):
    return dbus.Struct((dbus.UInt64(buffer), dbus.UInt64(offset), dbus.UInt64(length)), signature="ttt")


def error_of(function, *args, **options):
    try:
        function(*args, **options)
    except dbus.DBusException as e:
        return e.get_dbus_name()
    raise AssertionError("was not refused")


def refused(name, function, *args, **options):
    try:
        function(*args, **options)
    except dbus.DBusException as e:
        assert e.get_dbus_name() == ERROR + name, (name, e.get_dbus_name(), e.get_dbus_message())
        return e.get_dbus_message()
    raise AssertionError("was not refused with " + name)


def total(caller, resource):
    rows, _ = caller.manager.GetQuota(dbus.UInt64(0))
    return {str(e[0]): int(e[2]) for e in rows[0][7]}[resource]


def served(test):
    def run(bus):
        qdad = house.Qdad(bus)
        try:
            test(bus, qdad)
        finally:
            qdad.close()
    return run


# --- the tree ---

def shape(element):
    """Of an interface: all but order and comments."""
    return (element.tag, tuple(sorted(element.attrib.items())),
            tuple(sorted(shape(e) for e in element if e.tag != "arg")),
            tuple(shape(e) for e in element if e.tag == "arg"))


@served
def test_interfaces_are_those_of_the_files(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    paths = {"Manager": PATH, "Domain": PATH + "/domain/cdsp", "Session": session.object_path}
    paths["Client"] = [p for p in caller.objects() if "/client/" in p][0]
    for name, path in paths.items():
        thing = caller.bus.get_object(NAME, path, introspect=False)
        text = thing.Introspect(dbus_interface="org.freedesktop.DBus.Introspectable")
        is_ = [i for i in xml.fromstring(text).findall("interface") if i.get("name") == NAME + "." + name]
        file = xml.parse("%s/%s.%s.xml" % (os.environ["INTERFACES"], NAME, name)).getroot()
        assert len(is_) == 1 and shape(is_[0]) == shape(file.find("interface")), name
    caller.close()


@served
def test_domains_and_version(bus, qdad):
    caller = Caller(bus)
    assert caller.manager.ListDomains() == [("cdsp", PATH + "/domain/cdsp", "up", "soft")]
    assert str(caller.get(PATH, "Manager", "Version")).startswith("qdad ")
    assert caller.get(PATH + "/domain/cdsp", "Domain", "State") == "up"
    assert caller.get(PATH + "/domain/cdsp", "Domain", "Capabilities")["sessions_max"] == 16
    assert caller.get(PATH + "/domain/cdsp", "Domain", "Load")["sessions"] == 0
    caller.close()


@served
def test_objects_come_and_go(bus, qdad):
    caller = Caller(bus)
    session = caller.open("cdsp")
    row = caller.objects()[session.object_path][SESSION]
    assert row["State"] == "open" and row["Domain"] == "cdsp" and row["Kind"] == "unsigned"
    client = caller.objects()[PATH + "/client/%d" % row["Client"]][NAME + ".Client"]
    assert client["Name"] == caller.bus.get_unique_name() and client["Uid"] == os.getuid()
    assert client["Pid"] == os.getpid() and client["Use"]["sessions"] == 1
    session.Close()
    assert session.object_path not in caller.objects()
    caller.close()


# --- sessions ---

@served
def test_a_sum_by_value(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(SUM)
    result, outputs, times = invoke(session, module, 2, ("in", dbus.ByteArray(struct.pack("<4i", 1, 2, 3, 4))),
                                    ("out", dbus.UInt64(8)))
    assert result == 0 and struct.unpack("<q", outputs[0]) == (10,) and times["dsp_ns"] > 0
    session.CloseModule(dbus.UInt64(module))
    refused("NotFound", session.CloseModule, dbus.UInt64(module))
    session.Close()
    caller.close()


@served
def test_inline_arguments_stay_apart(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(ARGS)
    texts = [bytes([97 + i]) * n for i, n in enumerate((0, 1, 63, 64, 65, 4096, 30000 - 4289))]
    pairs = [("in", dbus.ByteArray(t)) for t in texts] + [("out", dbus.UInt64(len(t))) for t in texts]
    result, outputs, _ = invoke(session, module, 2, *pairs)
    assert result == 0 and [bytes(o) for o in outputs] == texts
    assert "61440" in refused("TooLarge", invoke, session, module, 2, ("in", dbus.ByteArray(b"x" * 31000)),
                              ("out", dbus.UInt64(31000)))
    caller.close()


@served
def test_a_buffer_is_shared_by_descriptor(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(ARGS)
    buffer, size, fd = session.AllocateBuffer(dbus.UInt64(5000))
    assert size == 8192
    fd = fd.take()
    memory = mmap.mmap(fd, size)
    os.close(fd)
    memory[:4096] = bytes(range(256)) * 16
    result, outputs, _ = invoke(session, module, 2, ("in-buffer", place(buffer, 0, 4096)),
                                ("out-buffer", place(buffer, 4096, 4096)))
    assert result == 0 and list(outputs) == [] and memory[4096:] == memory[:4096]
    address = session.MapBuffer(dbus.UInt64(buffer), dbus.UInt32(7), dbus.UInt64(0), dbus.UInt64(4096))
    assert address
    session.UnmapBuffer(dbus.UInt32(7))
    refused("NotFound", session.UnmapBuffer, dbus.UInt32(7))
    session.FreeBuffer(dbus.UInt64(buffer))
    refused("NotFound", session.FreeBuffer, dbus.UInt64(buffer))
    caller.close()


@served
def test_a_buffer_is_imported(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(SUM)
    fd = os.memfd_create("numbers", os.MFD_ALLOW_SEALING)
    os.write(fd, struct.pack("<2i", 40, 2).ljust(4096, b"\0"))
    refused("AccessDenied", session.ImportBuffer, dbus.types.UnixFd(fd), dbus.UInt64(0), False)
    fcntl.fcntl(fd, 1033, 2)  # F_ADD_SEALS, F_SEAL_SHRINK
    buffer, size = session.ImportBuffer(dbus.types.UnixFd(fd), dbus.UInt64(0), False)
    assert size == 4096
    result, outputs, _ = invoke(session, module, 2, ("in-buffer", place(buffer, 0, 8)), ("out", dbus.UInt64(8)))
    assert result == 0 and struct.unpack("<q", outputs[0]) == (42,)
    os.close(fd)
    caller.close()


@served
def test_a_crash_is_told(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(BAD)
    text = refused("SessionLost", invoke, session, module, 2, ("in", dbus.ByteArray(struct.pack("<I", 11))))
    assert "SIGSEGV" in text
    assert caller.get(session.object_path, "Session", "State") == "lost"
    session.Close()
    caller.close()


@served
def test_a_call_ends_at_its_deadline_or_is_cancelled(bus, qdad):
    caller = Caller(bus)
    session = caller.open()
    module = session.OpenModule(BAD)
    hang = ("in", dbus.ByteArray(struct.pack("<I", 0xffffffff)))
    refused("TimedOut", invoke, session, module, 4, hang, timeout_us=dbus.UInt64(20000))
    message = dbus.lowlevel.MethodCallMessage(NAME, session.object_path, SESSION, "Invoke")
    message.append(dbus.UInt64(module), dbus.UInt32(4), arguments(hang),
                   dbus.Dictionary({"tag": dbus.UInt64(9)}, signature="sv"), signature="tua(sv)a{sv}")
    caller.bus.send_message(message)
    assert session.Cancel(dbus.UInt64(9)) == "running"
    assert session.Cancel(dbus.UInt64(9)) == "gone"
    caller.close()


# --- what is wrong ---

@served
def test_wrong_arguments_are_refused(bus, qdad):
    caller = Caller(bus)
    refused("InvalidArgument", caller.open, kind="signed")
    refused("InvalidArgument", caller.open, colour=True)
    said = refused("InvalidArgument", caller.open, wait_ms="long")
    assert said == "option wait_ms is of type s, u is wanted", said
    for name in ("ms", "wait", "frob", "(u),"):
        said = refused("InvalidArgument", caller.open, **{name: "long"})
        assert said.startswith("option %s: there are wait_ms (u)" % name), said
    refused("DomainDown", caller.open, "nodsp")
    session = caller.open()
    module = session.OpenModule(SUM)
    for size in (0, 0xfffff001, 2**64 - 1):
        refused("InvalidArgument", session.AllocateBuffer, dbus.UInt64(size))
    for key, offset, size in ((0x40000000, 0, 4096), (1, 1, 4096), (1, 0, 1), (1, 2**64 - 4096, 8192)):
        refused("InvalidArgument", session.MapBuffer, dbus.UInt64(1), dbus.UInt32(key), dbus.UInt64(offset),
                dbus.UInt64(size))
    refused("InvalidArgument", session.OpenModule, "")
    refused("InvalidArgument", session.OpenModule, "x" * 1024)
    refused("InvalidArgument", invoke, session, module, 32)
    refused("InvalidArgument", invoke, session, module, 2, ("inn", dbus.UInt64(1)))
    refused("InvalidArgument", invoke, session, module, 2, ("in", dbus.UInt64(1)))
    refused("InvalidArgument", invoke, session, module, 2, ("out", dbus.UInt64(1)), ("in", dbus.ByteArray(b"")))
    refused("InvalidArgument", invoke, session, module, 2, *[("in", dbus.ByteArray(b""))] * 256)
    refused("InvalidArgument", invoke, session, module, 2, *[("out-module", True)] * 16)
    refused("TooLarge", invoke, session, module, 2, ("out", dbus.UInt64(2**64 - 1)))
    refused("InvalidArgument", invoke, session, module, 2, ("in-buffer", place(1, 2**64 - 1, 2)))
    refused("NotFound", invoke, session, module, 2, ("in-buffer", place(1, 0, 2)))
    refused("NotFound", invoke, session, 5, 2)
    refused("InvalidArgument", invoke, session, module, 2, priority=dbus.Int32(3))
    refused("InvalidArgument", invoke, session, module, 2, tag=dbus.UInt64(2**63))
    refused("InvalidArgument", invoke, session, module, 2, haste=True)
    refused("InvalidArgument", session.Cancel, dbus.UInt64(0))
    caller.close()


@served
def test_long_paths_are_not_looked_for(bus, qdad):
    """By sd-bus, part by part, while everybody waits: a second for one of 64 KiB."""
    caller = Caller(bus)
    for path in ("/a" * 128, PATH + "/session" + "/1" * 32000):
        message = dbus.lowlevel.MethodCallMessage(NAME, path, SESSION, "Close")
        refused("NotFound", caller.bus.send_message_with_reply_and_block, message, house.PATIENCE)
    caller.close()


def open_on(caller, uri, log=False):
    """A session and a module in it, of a caller who is a Wire: path and number."""
    options = aligned(string("log") + b"\1b\0", 4) + struct.pack("<I", log)
    answer = caller.call(NAME, PATH, MANAGER, "OpenSession", "ssa{sv}",
                         then_array(aligned(string(""), 4) + string("unsigned"), options))
    assert answer.type == IS_REPLY, answer.text()
    path = answer.text()
    answer = caller.call(NAME, path, SESSION, "OpenModule", "s", string(uri))
    assert answer.type == IS_REPLY, answer.text()
    return path, struct.unpack("<Q", answer.body)[0]


def call_body(module, method, *numbers, options=b""):
    """Of an Invoke that has them as its input."""
    value = struct.pack("<%dI" % len(numbers), *numbers)
    argument = aligned(string("in") + b"\2ay\0", 4) + struct.pack("<I", len(value)) + value
    return then_array(then_array(struct.pack("<QI", module, method), argument), options)


@served
def test_a_call_keeps_none_of_the_descriptors_that_came_with_it(bus, qdad):
    caller = Wire(bus.path)
    path, module = open_on(caller, BAD)
    read, write = os.pipe()
    os.set_blocking(read, False)
    tag = aligned(string("tag") + b"\1t\0", 8) + struct.pack("<Q", 9)
    caller.send(NAME, path, SESSION, "Invoke", "tua(sv)a{sv}", call_body(module, 4, 0xffffffff, options=tag),
                fds=[write])
    os.close(write)
    assert select.select([read], [], [], house.PATIENCE)[0] and os.read(read, 1) == b"", "the daemon holds it"
    caller.send(NAME, path, SESSION, "Cancel", "t", struct.pack("<Q", 9))
    assert {caller.answer().text(), caller.answer().text()} >= {"running"}, "the call was over"
    os.close(read)
    caller.close()


def options(n):
    """n times the same, as no library writes it."""
    one = aligned(string("wait_ms") + b"\1u\0", 4) + struct.pack("<I", 0)
    return (aligned(one, 8) * n)[:-(-len(one) % 8) or None]


@served
def test_options_are_few(bus, qdad):
    caller = Wire(bus.path)
    for n, fine in ((8, True), (9, False), (100000, False)):
        answer = caller.call(NAME, PATH, MANAGER, "OpenSession", "ssa{sv}",
                             then_array(aligned(string(""), 4) + string("unsigned"), options(n)))
        assert answer.type == (IS_REPLY if fine else IS_ERROR), n
        assert fine or "more than 8 options" in answer.text(), answer.text()
    caller.close()


@served
def test_names_are_short(bus, qdad):
    caller, long = Caller(bus), "x" * 1000000
    thing = caller.bus.get_object(NAME, PATH, introspect=False)
    properties = dbus.Interface(thing, "org.freedesktop.DBus.Properties")
    for function, args in ((properties.GetAll, (long,)), (properties.Get, (MANAGER, long)),
                           (properties.Set, (long, "Version", 1))):
        assert len(refused("NotFound", function, *args)) < 500
    zero = dbus.UInt64(0)
    for words in ((long, "", "fds"), ("total", long, "fds"), ("total", "", long)):
        refused("InvalidArgument", caller.manager.SetQuota, words[0], zero, words[1], words[2], zero)
    refused("InvalidArgument", caller.manager.CheckPolicy, dbus.UInt32(0), dbus.UInt32(0),
            dbus.Array([], signature="u"), "", "module", "", "", long)
    caller.close()


@served
def test_a_session_is_its_owners(bus, qdad):
    owner, other = Caller(bus), Caller(bus)
    session = owner.open()
    buffer = session.AllocateBuffer(dbus.UInt64(1))[0]
    stolen = dbus.Interface(other.bus.get_object(NAME, session.object_path, introspect=False), SESSION)
    refused("AccessDenied", stolen.OpenModule, SUM)
    refused("AccessDenied", stolen.Close)
    refused("NotFound", other.open().FreeBuffer, dbus.UInt64(buffer))
    session.Close()
    owner.close()
    other.close()


# --- administration ---

@served
def test_reload(bus, qdad):
    caller = Caller(bus)
    assert caller.manager.Reload() == ""
    qdad.write("[quota default]\nsessions=lots\n")
    assert "lots" in refused("InvalidArgument", caller.manager.Reload)
    qdad.write("[quota default]\nsessions=1\n")
    assert caller.manager.Reload() == ""
    caller.open()
    assert "sessions" in refused("QuotaExceeded", caller.open)
    caller.close()


@served
def test_quota(bus, qdad):
    caller = Caller(bus)
    uid = dbus.UInt64(os.getuid())
    caller.manager.SetQuota("uid", uid, "", "buffers", dbus.UInt64(1))
    caller.manager.SetQuota("uid", uid, "", "requests", dbus.UInt64(700))
    rows, following = caller.manager.GetQuota(dbus.UInt64(0))
    assert [str(r[0]) for r in rows] == ["total", "uid", "connection"] and following == 0
    assert list(rows[1][4:7]) == [100, 700, 2000], rows[1]
    assert {str(e[0]): int(e[1]) for e in rows[1][7]}["buffers"] == 1
    session = caller.open()
    session.AllocateBuffer(dbus.UInt64(1))
    assert "buffers" in refused("QuotaExceeded", session.AllocateBuffer, dbus.UInt64(1))
    refused("InvalidArgument", caller.manager.SetQuota, "uid", uid, "", "apples", dbus.UInt64(1))
    refused("InvalidArgument", caller.manager.SetQuota, "moon", uid, "", "buffers", dbus.UInt64(1))
    refused("NotFound", caller.manager.SetQuota, "connection", dbus.UInt64(99), "", "buffers", dbus.UInt64(1))
    caller.close()


@served
def test_who_is_one_too_many_is_told_to_watchers(bus, qdad):
    caller, newcomer = Caller(bus), Caller(bus)
    monitor = house.spawn(os.environ["QDACTL"], "--socket", qdad.dir + "/qdad.sock", "--json", "monitor",
                          stdout=subprocess.PIPE)
    while not select.select([monitor.stdout], [], [], 0.05)[0]:  # until it watches
        caller.open().Close()
    caller.manager.SetQuota("uid", dbus.UInt64(os.getuid()), "", "connections", dbus.UInt64(2))
    text = refused("QuotaExceeded", newcomer.open)
    assert "connections" in text, text
    caller.manager.SetQuota("uid", dbus.UInt64(os.getuid()), "", "connections", dbus.UInt64(3))
    events = map(json.loads, monitor.stdout)
    assert next(e for e in events if e["what"] == "quota-set")["text"].endswith("connections=2")
    event = next(events)
    assert (event["what"], event["text"], event["uid"]) == ("refused", text, os.getuid()), event
    monitor.kill()
    monitor.wait()
    newcomer.close()
    caller.close()


@served
def test_kill(bus, qdad):
    caller, victim = Caller(bus), Caller(bus)
    session = victim.open()
    number = dbus.UInt64(victim.get(session.object_path, "Session", "Number"))
    client = dbus.UInt64(victim.get(session.object_path, "Session", "Client"))
    caller.manager.KillSession(number)
    assert victim.get(session.object_path, "Session", "State") == "lost"
    refused("Busy", caller.manager.KillSession, number)
    caller.manager.KillClient(client)
    wait_for(lambda: session.object_path not in caller.objects(), "the client's session goes")
    refused("NotFound", caller.manager.KillClient, client)
    mine = dbus.UInt64(caller.get(caller.open().object_path, "Session", "Client"))
    refused("InvalidArgument", caller.manager.KillClient, mine)
    victim.open()  # the name is still there: it begins anew
    victim.close()
    caller.close()


@served
def test_policy_and_metrics(bus, qdad):
    caller = Caller(bus)
    words = ("", "session", "cdsp", "unsigned", "")
    none = dbus.Array([], signature="u")
    assert caller.manager.CheckPolicy(dbus.UInt32(0), dbus.UInt32(0), none, *words) == (True, "built-in")
    assert caller.manager.CheckPolicy(dbus.UInt32(4242), dbus.UInt32(4242), none, *words)[0] == False
    refused("InvalidArgument", caller.manager.CheckPolicy, dbus.UInt32(0), dbus.UInt32(0), none, "", "fly", "", "", "")
    text, more = caller.manager.GetMetrics(True)
    while more:
        piece, more = caller.manager.GetMetrics(False)
        text += piece
    assert text.endswith("# EOF\n"), text[-100:]
    caller.close()


@served
def test_a_channel_speaks_the_protocol(bus, qdad):
    caller = Caller(bus)
    channel = socket.socket(fileno=caller.manager.OpenChannel().take())
    caller.close()  # it stays
    body = b"\x08\x01\x10\x01"  # Hello {min_version 1, max_version 1}
    magic = int(os.environ["FRAME_MAGIC"], 0)
    channel.send(struct.pack("<HBBHHQ", magic, 1, 0, 1, len(body), 1) + body)
    channel.settimeout(house.PATIENCE)
    reply = channel.recv(65536)
    assert struct.unpack("<HBBHHQ", reply[:16])[3:4] == (1,) and b"qdad" in reply
    channel.close()


# --- others, and ends ---

def as_uid(uid, bus, function):
    """In a process of that user. Returns what function does, or fails as it does."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(write, str(function(Caller(bus))).encode() or b"None")
        except BaseException as e:
            os.write(write, ("FAILED " + traceback.format_exc()).encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 65536).decode()
    os.close(read)
    os.waitpid(child, 0)
    assert not said.startswith("FAILED"), said
    return said


@served
def test_another_user_is_refused_with_the_reason(bus, qdad):
    if os.getuid() != 0:
        print("SKIP another user: only root can be one")
        return
    mine = Caller(bus)
    session = mine.open()

    def stranger(caller):
        said = refused("AccessDenied", caller.open)
        refused("AccessDenied", caller.manager.OpenChannel)
        refused("AccessDenied", caller.manager.Reload)
        refused("AccessDenied", caller.manager.GetMetrics, True)
        refused("AccessDenied", caller.manager.SetQuota, "total", dbus.UInt64(0), "", "fds", dbus.UInt64(1))
        for number in (mine_number, dbus.UInt64(4711)):  # there or not: who has no right is not told
            refused("AccessDenied", caller.manager.KillSession, number)
            refused("AccessDenied", caller.manager.KillClient, number)
            refused("AccessDenied", caller.manager.SetQuota, "connection", number, "", "fds", dbus.UInt64(1))
        for kind, number in (("Session", mine_number), ("Client", mine_client)):
            path = PATH + "/" + kind.lower() + "/%d"
            there, nowhere = (error_of(caller.get, path % n, kind, "Use") for n in (number, 4711))
            assert there == nowhere == "org.freedesktop.DBus.Error.UnknownObject", (there, nowhere)
        seen = [str(p) for p in caller.objects()]
        assert session.object_path not in seen and PATH + "/domain/cdsp" in seen, seen
        assert len([p for p in seen if "/client/" in p]) == 1, seen
        return said

    mine_number = dbus.UInt64(mine.get(session.object_path, "Session", "Number"))
    mine_client = dbus.UInt64(mine.get(session.object_path, "Session", "Client"))
    said = as_uid(1, bus, stranger)
    assert "uid 1 " in said and "may not use the DSP" in said, said
    qdad.write("[policy 10-he]\nuser=1\nkind=unsigned\nallow=yes\n")
    mine.manager.Reload()
    as_uid(1, bus, lambda caller: caller.open() and None)
    mine.close()


@served
def test_a_name_that_vanishes_leaves_nothing(bus, qdad):
    watcher = Caller(bus)
    watcher.objects()
    for _ in range(3):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            caller = Caller(bus)
            session = caller.open()
            session.AllocateBuffer(dbus.UInt64(1 << 20))
            module = session.OpenModule(BAD)
            message = dbus.lowlevel.MethodCallMessage(NAME, session.object_path, SESSION, "Invoke")
            message.append(dbus.UInt64(module), dbus.UInt32(4),
                           arguments(("in", dbus.ByteArray(struct.pack("<I", 0xffffffff)))),
                           dbus.Dictionary({}, signature="sv"), signature="tua(sv)a{sv}")
            for _ in range(5):
                caller.bus.send_message(message)
            caller.objects()
            os.write(write, b"x")
            signal.pause()
        os.read(read, 1)
        assert total(watcher, "calls") >= 1 and total(watcher, "sessions") == 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
        for what, left in (("sessions", 0), ("calls", 0), ("buffers", 0), ("handles", 0), ("connections", 1),
                           ("buffer_bytes", 0)):
            wait_for(lambda: total(watcher, what) == left, "all %s of it go" % what)
    watcher.close()


@served
def test_a_name_that_vanishes_unheard_leaves_nothing(bus, qdad):
    """dbus-daemon drops what it has to say to whom more than 64 descriptors wait for already."""
    watcher, victim, others = Caller(bus), Caller(bus), [Wire(bus.path), Wire(bus.path)]
    victim.open()
    null = os.open("/dev/null", os.O_RDONLY)
    qdad.child.send_signal(signal.SIGSTOP)
    try:
        for other in others * 3:
            other.send(NAME, PATH, "org.freedesktop.DBus.Introspectable", "Introspect", "s",
                       string("x" * 200000), fds=[null] * 16)
        for other in others:
            other.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
        victim.close()
        wait_for(lambda: not watcher.bus.name_has_owner(victim.name), "the bus knows that it is gone")
    finally:
        qdad.child.send_signal(signal.SIGCONT)

    def session_is_gone():
        try:
            return total(watcher, "sessions") == 0
        except dbus.DBusException as e:  # as long as the daemon has not read what lies there
            assert e.get_dbus_name() == "org.freedesktop.DBus.Error.LimitsExceeded", e
            return False

    wait_for(session_is_gone, "its session goes")
    os.close(null)
    for other in others:
        other.close()
    watcher.close()


def lingering():
    """A connection whose end waits for a peer that reads nothing, and that peer."""
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    ours.setblocking(False)
    try:
        while True:
            ours.send(bytes(65536))
    except BlockingIOError:
        pass
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
    return ours, peer


@served
def test_a_descriptor_that_is_slow_to_close_stops_nobody(bus, qdad):
    """The daemon has its last copy: with a call that takes descriptors, and with one that takes none."""
    if bus.kind == "dbus-broker":
        return  # may be the last to close it, and waits itself
    other = Wire(bus.path)
    for signature, body in (("s", string("x")), ("h", struct.pack("<I", 0))):
        slow, peer = lingering()
        qdad.child.send_signal(signal.SIGSTOP)
        try:
            other.send(NAME, PATH, MANAGER, "Reload", signature, body, fds=[slow.fileno()])
            other.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
            slow.close()
        finally:
            qdad.child.send_signal(signal.SIGCONT)
        caller = Caller(bus)
        assert len(caller.manager.ListDomains()) == 1
        caller.close()
        peer.close()
    other.close()


@served
def test_first_messages_keep_their_order(bus, qdad):
    """What is sent before the bus has said who it is waits, and is answered in order."""
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    for _ in range(10):
        caller, answers = Caller(bus), []
        loop = GLib.MainLoop()
        for i in range(14):
            caller.bus.call_async(NAME, PATH, MANAGER, ("ListDomains", "Reload")[i % 2], "", (),
                                  lambda *_, i=i: (answers.append(i), i == 13 and loop.quit()),
                                  lambda e: (answers.append(e), loop.quit()), timeout=house.PATIENCE)
        loop.run()
        assert answers == list(range(14)), answers
        caller.close()
    watcher = Caller(bus)
    wait_for(lambda: total(watcher, "connections") == 1, "all of them go")
    watcher.close()


def test_a_bus_that_goes_and_comes_back_is_served_again(bus):
    qdad = house.Qdad(bus)
    caller = Caller(bus)
    caller.open()
    caller.close()
    bus.child.kill()
    bus.child.wait()
    wait_for(lambda: "trying again" in qdad.said(), "the loss is said")
    qdad.close()


def most_memory(pid):
    """MiB that a process has had at one time."""
    with open("/proc/%d/status" % pid) as status:
        return [int(line.split()[1]) for line in status if line.startswith("VmHWM:")][0] // 1024


@served
def test_a_bus_that_takes_nothing_is_left(bus, qdad):
    """It is stopped while a module fills the daemon with lines for it."""
    caller, before = Wire(bus.path), most_memory(qdad.child.pid)
    path, module = open_on(caller, BAD, log=True)
    caller.send(NAME, path, SESSION, "Invoke", "tua(sv)a{sv}", call_body(module, 10, 0xffffffff, 500))
    while b"Log" not in caller.read().head:
        pass
    os.kill(bus.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "the bus takes no messages" in qdad.said(), "the daemon loses its patience",
                 2 * house.PATIENCE)
    finally:
        os.kill(bus.pid, signal.SIGCONT)
    other = dbus.bus.BusConnection(bus.address)
    wait_for(lambda: other.name_has_owner(NAME), "the daemon is there again")
    other.close()
    assert most_memory(qdad.child.pid) - before < 300
    caller.close()


if __name__ == "__main__":
    house.main(sys.modules[__name__])
