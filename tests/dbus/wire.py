# SPDX-License-Identifier: BSD-3-Clause
"""Messages that no D-Bus library sends, or not without being asked to read the answers."""
import array
import os
import socket
import struct

BUS = "org.freedesktop.DBus"
REPLY, ERROR = 2, 3


def aligned(data, n):
    return data + b"\0" * (-len(data) % n)


def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def then_array(data, elements):
    """An array of structs or the like behind `data`, whose own alignment is 8."""
    data = aligned(data, 4)
    before = aligned(data + bytes(4), 8)
    return data + struct.pack("<I", len(elements)) + before[len(data) + 4:] + elements


class Message:
    """One that was read: its type, and its body in bytes."""

    def __init__(self, type, head, body):
        self.type, self.head, self.body = type, head, body

    def text(self):
        """The first string of it."""
        return self.body[4:4 + struct.unpack_from("<I", self.body)[0]].decode()


class Wire:
    """A bus name that reads only when it is told to."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(20)
        self.serial, self.unread = 0, b""
        self.say(b"\0AUTH EXTERNAL %s" % str(os.getuid()).encode().hex().encode(), b"OK")
        self.say(b"NEGOTIATE_UNIX_FD", b"AGREE_UNIX_FD")
        self.socket.sendall(b"BEGIN\r\n")
        self.call(BUS, "/org/freedesktop/DBus", BUS, "Hello")

    def say(self, line, answer):
        self.socket.sendall(line + b"\r\n")
        assert self.socket.recv(1024).startswith(answer)

    def encode(self, destination, path, interface, member, signature, body, n_fds):
        fields = b""
        for code, type, value in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination),
                                  (8, "g", signature), (9, "u", n_fds)):
            if not value:
                continue
            fields = aligned(fields, 8) + bytes([code, 1]) + type.encode() + b"\0"
            if type == "g":
                fields += bytes([len(value)]) + value.encode() + b"\0"
            else:
                fields = aligned(fields, 4) + (struct.pack("<I", value) if type == "u" else string(value))
        self.serial += 1
        head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), self.serial, len(fields)) + fields
        return aligned(head, 8) + body

    def send(self, destination, path, interface, member, signature="", body=b"", fds=()):
        message = memoryview(self.encode(destination, path, interface, member, signature, body, len(fds)))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendall(message[self.socket.sendmsg([message], rights):])

    def want(self, n):
        while len(self.unread) < n:
            data, rights, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4 * 253))
            if not data:
                raise EOFError("the bus has ended the connection")
            for _, _, fds in rights:
                for fd in array.array("i", fds[:len(fds) // 4 * 4]):
                    os.close(fd)
            self.unread += data

    def read(self):
        self.want(16)
        _, type, _, _, n_body, _, n_fields = struct.unpack_from("<cBBBIII", self.unread)
        head = (16 + n_fields + 7) // 8 * 8
        self.want(head + n_body)
        message = Message(type, self.unread[:head], self.unread[head:head + n_body])
        self.unread = self.unread[head + n_body:]
        return message

    def answer(self):
        """What comes next, but for signals."""
        message = self.read()
        while message.type not in (REPLY, ERROR):
            message = self.read()
        return message

    def call(self, *args, **options):
        self.send(*args, **options)
        return self.answer()

    def close(self):
        self.socket.close()
