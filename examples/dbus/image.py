#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Have a DSP filter a picture with nothing but D-Bus: image.py METHOD RADIUS WIDTH HEIGHT CHANNELS < PIXELS > PIXELS

METHOD is 2 (blur) or 3 (edges). Pixels are raw, 8 bits a channel. They lie in memory that this program and the DSP
share; the bus carries its descriptor, once, and 32 bytes a call. The bus is the system's, or $QDAD_BUS.
"""
import mmap
import os
import struct
import sys

import dbus
import dbus.bus

NAME, PATH = "org.qdad.Broker1", "/org/qdad/Broker1"
SKEL = "file:///libqda_image_skel.so?qda_image_skel_handle_invoke&_modver=1.0"


def place(buffer, offset, length):
    return dbus.Struct((buffer, dbus.UInt64(offset), dbus.UInt64(length)), signature="ttt")


def filter(pixels, method, radius, width, height, channels):
    bus = dbus.bus.BusConnection(os.environ["QDAD_BUS"]) if "QDAD_BUS" in os.environ else dbus.SystemBus()
    manager = bus.get_object(NAME, PATH, introspect=False)
    path = manager.OpenSession("", "unsigned", dbus.Dictionary({}, signature="sv"), dbus_interface=NAME + ".Manager")
    session = dbus.Interface(bus.get_object(NAME, path, introspect=False), NAME + ".Session")
    module = session.OpenModule(SKEL)
    n = len(pixels)
    source, size, memory = session.AllocateBuffer(dbus.UInt64(n))
    result, _, out = session.AllocateBuffer(dbus.UInt64(n))
    shown, seen = mmap.mmap(memory.take(), size), mmap.mmap(out.take(), size)
    shown[:n] = pixels
    what = struct.pack("<8I", n, n, width, height, channels, width * channels, width * channels, radius)
    arguments = [("in", dbus.ByteArray(what)), ("in-buffer", place(source, 0, n)), ("out-buffer", place(result, 0, n))]
    code, _, times = session.Invoke(module, dbus.UInt32(method), dbus.Array(arguments, signature="(sv)"),
                                    dbus.Dictionary({}, signature="sv"), timeout=60)
    if code:
        sys.exit("the method returned %#x" % code)
    print("%.2f ms on the DSP" % (times["dsp_ns"] / 1e6), file=sys.stderr)
    session.Close()
    return seen[:n]


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    method, radius, width, height, channels = map(int, sys.argv[1:])
    sys.stdout.buffer.write(filter(sys.stdin.buffer.read(), method, radius, width, height, channels))
