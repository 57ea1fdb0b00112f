# SPDX-License-Identifier: BSD-3-Clause
"""The package qda: objects that are dropped in any order, at exceptions, at the interpreter's end and after fork();
the package as it is installed and typed; and the example."""
import asyncio
import errno
import gc
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import unittest

import broker

broker.need_library()

import qda
from qda import Out, OutModule

URI = 'file:///libqda_%s_skel.so?qda_%s_skel_handle_invoke&_modver=1.0'
SUM, ARGS, BAD = (URI % (name, name) for name in ('sum', 'args', 'bad'))
PLAIN, COUNTER_NEW, OBJECTS, LOG, HANG = 2, 7, 14, 13, 4
TOP = os.environ['QDA_TEST_TOP']


def descriptors():
    return {(fd, os.readlink('/proc/self/fd/' + fd)) for fd in os.listdir('/proc/self/fd')
            if os.path.exists('/proc/self/fd/' + fd)}


def mapped():
    with open('/proc/self/maps') as file:
        return sum('qda' in line and '.so' not in line or 'memfd' in line for line in file)


def python(*args, **env):
    return subprocess.run([sys.executable, '-X', 'dev', *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env={**os.environ, **env})


class Lifetime(broker.Case):
    def setUp(self):
        super().setUp()
        self.watch = qda.Client(name='watch')
        self.addCleanup(self.watch.close)
        self.before = descriptors(), mapped()

    def all_is_free(self):
        gc.collect()
        self.until(lambda: self.watch.domains()[0].sessions == 0)
        self.assertEqual((descriptors(), mapped()), self.before)

    def make(self):
        """Some of everything, all of it used."""
        client = qda.Client()
        client.log(lambda *line: None)
        sessions = [client.session() for _ in range(2)]
        buffers = [client.buffer(8192) for _ in range(3)]
        modules = [s.module(uri) for s in sessions for uri in (SUM, ARGS, ARGS)]
        modules += modules[1].invoke(COUNTER_NEW, bytes(4), OutModule())
        sessions[0].map(buffers[0], 5)
        for buffer in buffers[1:]:
            buffer.data[0] = 1
        return [client, *sessions, *buffers, *modules]

    def test_objects_are_dropped_in_random_order(self):
        for seed in range(20):
            objects = self.make()
            random.Random(seed).shuffle(objects)
            while objects:
                objects.pop()
            self.all_is_free()

    def test_objects_are_closed_in_random_order(self):
        for seed in range(20):
            objects = self.make()
            random.Random(seed).shuffle(objects)
            for one in objects:
                one.close()
                self.assertTrue(one.closed)
                self.assertIn('closed', repr(one))
            for one in objects:
                one.close()
            del one, objects
            self.all_is_free()

    def test_objects_are_collected_in_cycles(self):
        gc.disable()
        self.addCleanup(gc.enable)
        for seed in range(5):
            objects = self.make()
            random.Random(seed).shuffle(objects)
            objects[0].others = objects
            del objects
            self.all_is_free()

    def test_objects_are_dropped_by_many_threads(self):
        def work(i):
            for k in range(5):
                objects = self.make()
                random.Random(i * 100 + k).shuffle(objects)
                while objects:
                    objects.pop()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        del thread, threads
        self.all_is_free()

    def test_a_dropped_module_is_closed_at_the_skel(self):
        with qda.Client() as client, client.session() as session:
            args = session.module(ARGS)

            def count():
                return int.from_bytes(args.invoke(OBJECTS, Out(4))[0], 'little')

            start = count()
            made = [args.invoke(COUNTER_NEW, bytes(4), OutModule())[0] for _ in range(5)]
            self.assertEqual(count(), start + 5)
            made.clear()
            self.assertEqual(count(), start)
        del session, client, args, count
        self.all_is_free()

    def test_what_is_dropped_in_a_log_function_is_freed_afterwards(self):
        client = qda.Client()
        session = client.session()
        args, held = session.module(ARGS), [client.session()]
        client.log(lambda *line: held.clear())
        args.invoke(LOG, (6).to_bytes(4, 'little') + (2).to_bytes(4, 'little') + (1).to_bytes(4, 'little'), b'hello\0')
        self.until(lambda: client.dispatch(0.01) == 0 and not held)
        self.assertEqual(client.domains()[0].sessions, 1)
        del client, session, args
        self.all_is_free()

    def test_an_exception_closes_what_with_holds(self):
        with self.assertRaises(ZeroDivisionError):
            with qda.Client() as client, client.session() as session, session.module(SUM), client.buffer(1) as buffer:
                buffer.data[0] = 1 // 0
        del client, session, buffer
        self.all_is_free()

    def test_refusals_leave_nothing_behind(self):
        client = qda.Client()
        session = client.session()
        for _ in range(20):
            self.assertRaises(qda.QdaError, session.module, 'none')
            self.assertRaises(qda.QdaError, client.session, 'nodsp')
            self.assertRaises(qda.QdaError, client.buffer, 0)
            self.assertRaises(qda.QdaError, client.import_buffer, 0)
            self.assertRaises(qda.QdaError, qda.Client, '/none')
        del client, session
        self.all_is_free()

    def test_calls_given_up_leave_nothing_behind(self):
        async def main():
            with qda.Client() as client, client.session() as session:
                bad = session.module(BAD)
                for _ in range(20):
                    try:
                        await asyncio.wait_for(bad.submit(HANG, b'\xff' * 4), 0.005)
                    except asyncio.TimeoutError:
                        pass

        asyncio.run(main())
        self.all_is_free()

    def test_the_interpreter_ends_with_everything_open(self):
        program = '''
import qda, sys
client = qda.Client()
session = client.session()
module = session.module(%r)
buffer = client.buffer(4096)
view = buffer.data
module.invoke(2, b'', qda.Out(8))
others = [client.session(), client.buffer(1), session.module(%r)]
client.log(lambda *line: None)
cycle = [client, module]
cycle.append(cycle)
''' % (SUM, ARGS)
        for end in '', 'sys.exit(3)', 'raise SystemExit(3)':
            ended = python('-c', program + end)
            self.assertEqual((ended.stdout, ended.stderr, ended.returncode), ('', '', 3 if end else 0))
            self.until(lambda: self.watch.domains()[0].sessions == 0)

    def test_a_forked_child_leaves_the_parent_alone(self):
        client = qda.Client()
        session = client.session()
        module = session.module(SUM)
        buffer = client.buffer(4096)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                for function in (lambda: module.invoke(PLAIN, b'', Out(8)), client.session, client.fileno,
                                 lambda: asyncio.run(module.submit(PLAIN, b'', Out(8)))):
                    try:
                        function()
                    except qda.QdaError as e:
                        assert e.errno == errno.ECHILD, e
                buffer.data[0] = 7
                with qda.Client() as own, own.session() as mine:
                    assert mine.module(SUM).invoke(PLAIN, b'', Out(8)) == (bytes(8),)
                for one in module, session, buffer, client:
                    one.close()
                    assert one.closed
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(buffer.data[0], 7)
        self.assertEqual(module.invoke(PLAIN, b'', Out(8)), (bytes(8),))
        del client, session, module, buffer
        self.all_is_free()

    def test_a_forked_child_ends_as_programs_do(self):
        ended = python('-c', '''
import os, qda, sys
client = qda.Client()
session = client.session()
module = session.module(%r)
pid = os.fork()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    module.invoke(2, b'', qda.Out(8))
''' % SUM)
        self.assertEqual((ended.stdout, ended.stderr, ended.returncode), ('', '', 0))

    def test_the_program_of_the_readme(self):
        with open(TOP + '/README.md') as file:
            program, = re.findall(r'^```python\n(.*?)^```', file.read(), re.M | re.S)
        ended = python('-c', program)
        self.assertEqual((ended.stdout, ended.stderr, ended.returncode), ('10\n', '', 0))

    def test_the_example_gets_the_same_picture(self):
        if not os.environ['QDA_TEST_IMAGE']:
            self.skipTest('qda-image is not built: libpng is missing')
        if not importlib.util.find_spec('PIL'):
            self.skipTest('there is no PIL: install python3-pil')
        from PIL import Image
        picture = TOP + '/tests/data/lighthouse.png'
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([os.environ['QDA_TEST_IMAGE'], '-o', out, picture], check=True, capture_output=True)
            ended = python(TOP + '/examples/python/qda-image.py', picture, out + '/edges.png')
            self.assertEqual((ended.stdout, ended.stderr, ended.returncode), ('', '', 0))
            with Image.open(out + '/lighthouse-edges.png') as ours, Image.open(out + '/edges.png') as theirs:
                self.assertEqual((ours.mode, ours.size), (theirs.mode, theirs.size))
                self.assertTrue(ours.tobytes() == theirs.tobytes(), 'some bytes differ')


class Package(unittest.TestCase):
    def test_it_is_typed(self):
        if not importlib.util.find_spec('mypy'):
            self.skipTest('there is no mypy: install mypy')
        with tempfile.TemporaryDirectory() as cache:
            ended = python('-m', 'mypy', '--strict', '--cache-dir', cache, TOP + '/client/python/qda')
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)

    def test_without_the_library_it_says_what_to_do(self):
        ended = python('-c', 'import qda', LD_LIBRARY_PATH='')
        if not ended.returncode:
            self.skipTest('libqdaclient is installed on this machine: it cannot be missing')
        self.assertRegex(ended.stderr, 'ImportError: .*libqdaclient.so.0.*install qdad')


if __name__ == '__main__':
    broker.main(__name__)
