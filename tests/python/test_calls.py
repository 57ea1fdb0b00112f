# SPDX-License-Identifier: BSD-3-Clause
"""The package qda against a real broker: what can be called, and how it fails."""
import array
import errno
import fcntl
import mmap
import os
import re
import signal
import struct
import sys
import threading

import broker

broker.need_library()

import qda
from qda import InBuffer, Key, Out, OutBuffer, OutModule, OutNumber
from qda._lib import DECLARATIONS

URI = 'file:///libqda_%s_skel.so?qda_%s_skel_handle_invoke&_modver=1.0'
SUM, ARGS, BAD = (URI % (name, name) for name in ('sum', 'args', 'bad'))
PLAIN = 2
ECHO, COUNTER_NEW, COUNTER_ADD, HANDLES, KEY_SUM, LOG, EXTENDED = 2, 7, 8, 9, 10, 13, 40
SIGNAL, HANG, RETURN = 2, 4, 7
PAGE = 4096


def fnv(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 2**64 - 1
    return value


def u32(*values):
    return struct.pack('<%dI' % len(values), *values)


class Declarations(broker.unittest.TestCase):
    top = os.environ['QDA_TEST_TOP']

    def plain(self, text):
        text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
        return re.sub(r'\s*([{};,()*=]|\s)\s*', r'\1', text.replace('\n', ' '))

    def test_are_those_of_the_header(self):
        with open(self.top + '/client/include/qda/client.h') as file:
            header = self.plain(file.read())
        for declaration in re.split(r'\n(?=\S)', DECLARATIONS):
            if not declaration.startswith('}') and declaration.strip():
                self.assertIn(self.plain(declaration).strip().rstrip(';'), header)

    def test_are_all_that_the_library_has(self):
        with open(self.top + '/client/libqdaclient.sym') as file:
            names = re.findall(r'^\t(qda_\w+);', file.read(), re.M)
        self.assertGreater(len(names), 20)
        for name in names:
            self.assertRegex(DECLARATIONS, r'\b%s\(' % name)


class Calls(broker.Case):
    def setUp(self):
        super().setUp()
        self.client = qda.Client(name='test')
        self.addCleanup(self.client.close)
        self.session = self.client.session()

    def fails(self, code, words, function, *args, **kw):
        with self.assertRaisesRegex(qda.QdaError, words) as caught:
            function(*args, **kw)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code], caught.exception.text)
        return caught.exception

    def test_bytes_of_every_kind_go_in(self):
        module = self.session.module(SUM)
        numbers = array.array('i', [1, 2, 3, 4])
        for data in (numbers, bytes(numbers), bytearray(numbers), memoryview(numbers)[:]):
            result = module.invoke(PLAIN, data, Out(8))
            self.assertEqual(result, (struct.pack('<q', 10),))
            self.assertGreater(result.dsp_ns, 0)
            self.assertGreaterEqual(result.queue_ns, 0)

    def test_many_buffers_echo(self):
        data = [bytes([i]) * (i % 7) for i in range(255)]
        result = self.session.module(ARGS).invoke(ECHO, *data, *(Out(len(d)) for d in data))
        self.assertEqual(list(result), data)

    def test_parts_of_buffers_are_used_in_place(self):
        buffer = self.client.buffer(2 * PAGE)
        self.assertEqual((buffer.size, len(buffer)), (2 * PAGE, 2 * PAGE))
        buffer.data[:] = bytes(range(256)) * 32
        before = bytes(buffer.data)
        args = self.session.module(ARGS)
        self.assertEqual(args.invoke(ECHO, InBuffer(buffer, 3, 100), OutBuffer(buffer, 5000, 100)), ())
        self.assertEqual(bytes(buffer.data), before[:5000] + before[3:103] + before[5100:])
        other = self.client.buffer(PAGE)
        args.invoke(ECHO, InBuffer(buffer, PAGE), OutBuffer(other))  # to the end
        self.assertEqual(bytes(other.data), bytes(buffer.data[PAGE:]))

    def test_methods_make_modules(self):
        counter, = self.session.module(ARGS).invoke(COUNTER_NEW, struct.pack('<i', 40), OutModule())
        self.assertIsInstance(counter, qda.Module)
        self.assertEqual(counter.invoke(COUNTER_ADD, struct.pack('<i', 2), Out(4)), (struct.pack('<i', 42),))
        counter.close()
        self.fails(errno.EBADF, 'module was closed', counter.invoke, COUNTER_ADD, struct.pack('<i', 2), Out(4))

    def test_numbers_and_modules_as_handles(self):
        args = self.session.module(ARGS)
        seen, number = args.invoke(HANDLES, Out(8), 2**63 + 5, OutNumber())
        self.assertEqual(struct.unpack('<Q', seen), (2**63 + 5,))
        self.assertEqual(number, 2**63 + 5)
        seen, module = args.invoke(HANDLES, Out(8), args, OutModule())
        self.assertNotEqual(seen, bytes(8))
        self.assertIsInstance(module, qda.Module)

    def test_keys(self):
        buffer = self.client.buffer(2 * PAGE)
        buffer.data[:] = os.urandom(2 * PAGE)
        self.assertGreater(self.session.map(buffer, 7, PAGE, PAGE), 0)
        args = self.session.module(ARGS)
        result, = args.invoke(KEY_SUM, u32(100), Out(24), Key(7, 0, PAGE))
        self.assertEqual(struct.unpack('<IIIIQ', result)[4], fnv(buffer.data[PAGE:PAGE + 100]))
        self.fails(errno.EEXIST, '7', self.session.map, buffer, 7)
        self.session.unmap(7)
        self.fails(errno.ENOENT, '7', self.session.unmap, 7)

    def test_methods_beyond_the_scalars(self):
        args = self.session.module(ARGS)
        self.assertEqual(args.invoke(EXTENDED, struct.pack('<Iii', EXTENDED, 50, 8), Out(4)), (u32(42),))
        self.fails(errno.EINVAL, 'method 40', args.invoke, EXTENDED, u32(1), Out(4))

    def test_the_older_kind_of_module(self):
        self.session.module('qda_old').close()

    def test_domains(self):
        one, = self.client.domains()
        self.assertEqual((one.name, one.state, one.device, one.sessions), ('cdsp', 'up', 'soft', 1))
        self.assertIs(one.unsigned_pd, True)

    def test_errors_of_the_dsp(self):
        bad = self.session.module(BAD)
        e = self.fails(errno.EREMOTEIO, 'returned 14', bad.invoke, RETURN, struct.pack('<i', 14))
        self.assertEqual((e.dsp_result, e.aee), (14, 14))
        self.assertEqual(qda.strcode(14), '0xe AEE_EBADPARM: bad parameter')
        self.assertEqual(self.fails(errno.EREMOTEIO, '-5', bad.invoke, RETURN, struct.pack('<i', -5)).dsp_result, -5)
        e = self.fails(errno.EREMOTEIO, 'not found', self.session.module, 'file:///libnone.so?f')
        self.assertEqual(e.aee, 0x80000406)
        self.assertIsInstance(e, OSError)
        self.assertEqual(str(e), e.text)

    def test_errors_of_arguments(self):
        args = self.session.module(ARGS)
        buffer = self.client.buffer(1)
        self.fails(errno.EMSGSIZE, '61440', args.invoke, ECHO, bytes(61441), Out(0))
        self.fails(errno.EINVAL, 'argument 1', args.invoke, ECHO, Out(1), b'x')
        self.fails(errno.EINVAL, '4097', args.invoke, ECHO, InBuffer(buffer, 0, 4097), Out(0))
        self.fails(errno.EINVAL, 'argument 0: length -1', args.invoke, ECHO, Out(-1))
        self.fails(errno.EINVAL, 'argument 0: number', args.invoke, ECHO, 2**64)
        self.fails(errno.EINVAL, 'argument 0: offset -1', args.invoke, ECHO, InBuffer(buffer, -1))
        self.fails(errno.EINVAL, 'method -1', args.invoke, -1)
        self.fails(errno.EINVAL, 'size', self.client.buffer, -1)
        self.fails(errno.EINVAL, 'wait_ms', self.client.session, wait_ms=2**32)
        for wrong, words in ((None, 'NoneType'), ('text', 'str'), (1.5, 'float'), (buffer, r'InBuffer\(buffer\)')):
            with self.assertRaisesRegex(TypeError, 'argument 0 is a.*' + words):
                args.invoke(ECHO, wrong)
        with self.assertRaisesRegex(ValueError, 'argument 0'):
            args.invoke(ECHO, memoryview(b'abcd')[::2])
        with self.assertRaisesRegex(ValueError, 'timeout 0'):
            args.invoke(ECHO, timeout=0)
        with self.assertRaisesRegex(ValueError, 'timeout nan'):
            args.invoke(ECHO, timeout=float('nan'))
        with self.assertRaisesRegex(ValueError, 'priority 3'):
            args.invoke(ECHO, priority=3)
        with self.assertRaisesRegex(ValueError, 'NUL'):
            self.session.module('a\0b')
        self.assertEqual(args.invoke(ECHO, b'x', Out(1)), (b'x',))  # after all of them

    def test_priorities_and_parked_calls(self):
        args = self.session.module(ARGS)
        for priority in qda.Priority.LOW, qda.Priority.NORMAL, qda.Priority.HIGH:
            self.assertEqual(args.invoke(ECHO, b'x', Out(1), priority=priority, parked=True), (b'x',))

    def test_a_deadline(self):
        bad = self.session.module(BAD)
        self.fails(errno.ETIME, '', bad.invoke, HANG, u32(2**32 - 1), timeout=0.01)
        self.assertTrue(self.session.alive)
        self.assertEqual(bad.invoke(HANG, u32(0), timeout=1e300), ())

    def test_a_session_that_crashes_is_lost(self):
        bad = self.session.module(BAD)
        self.assertTrue(self.session.alive)
        self.assertIsNone(self.session.lost)
        self.fails(errno.ECONNRESET, 'SIGSEGV', bad.invoke, SIGNAL, u32(signal.SIGSEGV))
        self.until(lambda: not self.session.alive)
        self.assertRegex(self.session.lost.text, 'SIGSEGV.*method 2')
        self.session.close()
        with self.client.session() as session:
            self.assertEqual(session.module(SUM).invoke(PLAIN, b'', Out(8)), (bytes(8),))

    def test_a_session_with_a_hang_limit(self):
        with self.client.session('cdsp', hang_ms=50) as session:
            # A machine that is slow enough may need as long to open the module.
            self.fails(errno.ECONNRESET, 'hang_ms=50', lambda: session.module(BAD).invoke(HANG, u32(2**32 - 1)))

    def test_options_of_sessions(self):
        self.fails(errno.ENODEV, 'nodsp', self.client.session, 'nodsp')
        self.fails(errno.ENOENT, '/none', self.client.session, module_dirs=['/none'])
        with self.client.session(module_dirs=[os.environ['QDA_TEST_SKELS']]) as session:
            session.module(SUM)
        with self.client.session(privileged=True) as session: # who runs the broker may
            session.module(SUM)

    def test_waiting_for_a_session(self):
        most = self.client.domains()[0].sessions_max
        sessions = [self.client.session() for _ in range(most - 1)]
        self.fails(errno.EUSERS, '', self.client.session)
        got = []
        thread = threading.Thread(target=lambda: got.append(self.client.session(wait_ms=broker.PATIENCE_S * 1000)))
        thread.start()
        sessions.pop().close()
        thread.join()
        self.assertTrue(got[0].alive)

    def test_lines_that_skels_log(self):
        lines = []
        self.client.log(lambda *line: lines.append(line))
        args = self.session.module(ARGS)
        args.invoke(LOG, u32(6, 2, 3), b'hello\0')
        self.until(lambda: self.client.dispatch(0.01) == 0 and len(lines) == 3)
        session, level, text, dropped = lines[2]
        self.assertIs(session, self.session)
        self.assertEqual((level, dropped), (qda.Level.HIGH, 0))
        self.assertRegex(text, r'\.c:\d+: hello 2')
        self.client.log(None)
        args.invoke(LOG, u32(6, 2, 3), b'hello\0')
        self.assertEqual(self.client.dispatch(), 0)
        self.assertEqual(len(lines), 3)

    def test_what_a_log_function_raises_is_reported(self):
        raised, seen = [], []
        hook, sys.unraisablehook = sys.unraisablehook, lambda what: raised.append(what.exc_value)
        self.addCleanup(setattr, sys, 'unraisablehook', hook)
        args = self.session.module(ARGS)

        def log(*line):
            seen.append(line)
            args.close()  # afterwards
            args.invoke(LOG)

        self.client.log(log)
        args.invoke(LOG, u32(6, 2, 1), b'hello\0')
        self.until(lambda: self.client.dispatch(0.01) == 0 and seen)
        self.assertEqual([e.errno for e in raised], [errno.EDEADLK])
        self.assertTrue(args.closed)

    def test_a_broker_that_is_gone(self):
        module = self.session.module(SUM)
        self.broker.kill()
        self.fails(errno.ECONNRESET, 'connect again', module.invoke, PLAIN, b'', Out(8))
        self.fails(errno.ECONNRESET, '', self.client.dispatch)
        self.assertFalse(self.session.alive)
        self.client.close()

    def test_no_broker(self):
        self.fails(errno.ENOENT, 'no broker at /none', qda.Client, '/none')
        self.fails(errno.ENAMETOOLONG, 'no broker', qda.Client, 'x' * 200)

    def test_a_descriptor_for_event_loops(self):
        with qda.Client() as client:
            self.assertTrue(os.path.exists('/proc/self/fd/%d' % client.fileno()))
            self.assertEqual(client.dispatch(0), 0)
        self.fails(errno.EBADF, 'client was closed', client.fileno)

    # --- memory ---

    def test_a_descriptor_shows_the_same_memory(self):
        buffer = self.client.buffer(5)
        with mmap.mmap(buffer.fileno(), buffer.size) as again:
            again[1] = 77
            self.assertEqual(buffer.data[1], 77)

    def test_views_stay_valid_when_the_buffer_is_closed(self):
        buffer = self.client.buffer(PAGE)
        view = buffer.data[10:20]
        view[:] = b'0123456789'
        buffer.close()
        self.client.close()
        self.assertEqual(bytes(view), b'0123456789')
        self.fails(errno.EBADF, 'client was closed|buffer was closed', lambda: buffer.data)

    def memfd(self, size=PAGE, seals=fcntl.F_SEAL_SHRINK):
        fd = os.memfd_create('test', os.MFD_ALLOW_SEALING)
        self.addCleanup(os.close, fd)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd

    def test_memory_that_exists(self):
        fd = self.memfd()
        os.pwrite(fd, b'hello', 100)
        buffer = self.client.import_buffer(fd)
        self.assertFalse(buffer.data.readonly)
        args = self.session.module(ARGS)
        self.assertEqual(args.invoke(ECHO, InBuffer(buffer, 100, 5), Out(5)), (b'hello',))
        args.invoke(ECHO, b'there', OutBuffer(buffer, 200, 5))
        self.assertEqual(os.pread(fd, 5, 200), b'there')

    def test_memory_that_is_only_for_reading(self):
        fd = self.memfd()
        reader = os.open('/proc/self/fd/%d' % fd, os.O_RDONLY)
        self.addCleanup(os.close, reader)
        buffer = self.client.import_buffer(reader, read_only=True)
        os.pwrite(fd, b'hello', 0)
        self.assertTrue(buffer.data.readonly)
        self.assertEqual(bytes(buffer.data[:5]), b'hello')
        self.assertEqual(self.session.module(ARGS).invoke(ECHO, InBuffer(buffer, 0, 5), Out(5)), (b'hello',))

    def test_memory_that_cannot_be_had(self):
        self.fails(errno.EBADF, 'descriptor', self.client.import_buffer, 12345)
        self.fails(errno.EBADF, 'no such number', self.client.import_buffer, 2**40)
        self.fails(errno.ERANGE, '', self.client.import_buffer, self.memfd(), 2 * PAGE)
        self.fails(errno.ENODEV, 'nodsp', self.client.buffer, PAGE, 'nodsp')


class Limits(broker.Case):
    config = '[connection]\nsessions=1\n'

    def test_a_refusal_names_the_quota(self):
        with qda.Client() as client, client.session():
            with self.assertRaises(qda.QdaError) as caught:
                client.session()
            e = caught.exception
            self.assertEqual((e.errno, e.resource, e.limit, e.used), (errno.EDQUOT, 'sessions', 1, 1))


if __name__ == '__main__':
    broker.main(__name__)
