# SPDX-License-Identifier: BSD-3-Clause
"""The package qda with asyncio, and with threads: calls at the same time, given up, and left by what they need."""
import array
import asyncio
import errno
import os
import signal
import struct
import threading

import broker

broker.need_library()

import qda
from qda import InBuffer, Out, OutBuffer, OutModule

URI = 'file:///libqda_%s_skel.so?qda_%s_skel_handle_invoke&_modver=1.0'
SUM, ARGS, BAD = (URI % (name, name) for name in ('sum', 'args', 'bad'))
PLAIN, ECHO, COUNTER_NEW, COUNTER_ADD = 2, 2, 7, 8
SIGNAL, HANG, RETURN = 2, 4, 7
FOREVER = b'\xff' * 4


class Async(broker.Case, broker.unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        super().setUp()
        self.client = qda.Client(name='test')
        self.addCleanup(self.client.close)
        self.session = self.client.session()
        self.bad = self.session.module(BAD)
        self.sum = self.session.module(SUM)

    async def add(self, i, module=None):
        result, = await (module or self.sum).submit(PLAIN, array.array('i', [i, 1]), Out(8))
        self.assertEqual(result, struct.pack('<q', i + 1))

    async def asyncTearDown(self):
        await self.watched_no_more()

    async def watched_no_more(self):
        while self.client._shared.calls.watches:
            await asyncio.sleep(0.001)

    async def fails(self, code, words, awaitable):
        with self.assertRaisesRegex(qda.QdaError, words) as caught:
            await awaitable
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code], caught.exception.text)
        return caught.exception

    async def hang(self, n=1):
        """Calls that run until they are given up; returns when they are at the broker."""
        tasks = [asyncio.create_task(self.bad.submit(HANG, FOREVER)) for _ in range(n)]
        await asyncio.sleep(0)
        while self.client.domains()[0].in_flight < n:
            await asyncio.sleep(0.001)
        return tasks

    async def test_many_more_calls_than_there_are_places(self):
        await asyncio.gather(*(self.add(i) for i in range(2000)))

    async def test_outputs_of_every_kind(self):
        args = self.session.module(ARGS)
        buffer = self.client.buffer(4096)
        await args.submit(ECHO, b'hello', OutBuffer(buffer, 9, 5))
        self.assertEqual(await args.submit(ECHO, InBuffer(buffer, 9, 5), Out(5)), (b'hello',))
        counter, = await args.submit(COUNTER_NEW, struct.pack('<i', 40), OutModule())
        result = await counter.submit(COUNTER_ADD, struct.pack('<i', 2), Out(4), timeout=60, parked=True,
                                      priority=qda.Priority.HIGH)
        self.assertEqual(result, (struct.pack('<i', 42),))
        self.assertGreater(result.dsp_ns, 0)

    async def test_inputs_are_free_when_the_call_was_sent(self):
        data = bytearray(struct.pack('<I', 20))
        task = asyncio.create_task(self.bad.submit(HANG, data))
        await asyncio.sleep(0)
        data.extend(b'more')
        self.assertEqual(await task, ())

    async def test_errors(self):
        e = await self.fails(errno.EREMOTEIO, 'returned 14', self.bad.submit(RETURN, struct.pack('<i', 14)))
        self.assertEqual((e.dsp_result, e.aee), (14, 14))
        await self.fails(errno.EINVAL, 'argument 1', self.sum.submit(PLAIN, Out(1), b''))
        await self.fails(errno.ETIME, '', self.bad.submit(HANG, FOREVER, timeout=0.01))
        with self.assertRaises(TypeError):
            await self.sum.submit(PLAIN, None)
        await self.add(1)

    async def test_a_call_is_given_up(self):
        task, = await self.hang()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await self.watched_no_more()
        self.assertTrue(self.session.alive)
        await self.add(1)

    async def test_wait_for_gives_a_call_up(self):
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.bad.submit(HANG, FOREVER), 0.01)
        await self.watched_no_more()
        await self.add(1)

    async def test_calls_that_wait_for_a_place_are_given_up(self):
        tasks = [asyncio.create_task(self.bad.submit(HANG, FOREVER)) for _ in range(300)]
        while len([1 for task in tasks if not task.done()]) < 300 or not self.client.domains()[0].in_flight:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            self.assertIsInstance(outcome, asyncio.CancelledError)
        await self.watched_no_more()

    async def test_a_session_that_is_closed_ends_its_calls(self):
        tasks = await self.hang(3)
        self.session.close()
        for task in tasks:
            await self.fails(errno.ECANCELED, '', task)
        await self.fails(errno.EBADF, 'session was closed', self.bad.submit(HANG, FOREVER))
        with self.client.session() as other:
            await self.add(1, other.module(SUM))

    async def test_a_client_that_is_closed_ends_its_calls(self):
        tasks = await self.hang(3)
        fd = self.client.fileno()
        self.client.close()
        self.assertRaises(OSError, os.fstat, fd)
        for task in tasks:
            await self.fails(errno.ECANCELED, 'client was closed', task)

    async def test_a_client_that_another_thread_closes(self):
        tasks = await self.hang(3)
        await asyncio.to_thread(self.client.close)
        for task in tasks:
            await self.fails(errno.ECANCELED, 'client was closed', task)

    async def test_a_session_that_crashes_ends_its_calls(self):
        task, = await self.hang()
        await self.fails(errno.ECONNRESET, 'SIGSEGV', self.bad.submit(SIGNAL, struct.pack('<I', signal.SIGSEGV)))
        await self.fails(errno.ECONNRESET, '', task)
        self.assertRegex(self.session.lost.text, 'SIGSEGV')

    async def test_a_broker_that_is_gone_ends_its_calls(self):
        tasks = await self.hang(3)
        self.broker.kill()
        for task in tasks:
            await self.fails(errno.ECONNRESET, 'connect again', task)
        await self.fails(errno.ECONNRESET, '', self.sum.submit(PLAIN, b'', Out(8)))

    async def test_calls_that_wait_among_those_that_do_not(self):
        tasks = [asyncio.create_task(self.add(i)) for i in range(100)]
        await asyncio.sleep(0)
        for i in range(100):
            self.assertEqual(self.sum.invoke(PLAIN, struct.pack('<i', i), Out(8)), (struct.pack('<q', i),))
        await asyncio.gather(*tasks)


class Threads(broker.Case):
    def run_all(self, function, n=4):
        failed = []

        def run(i):
            try:
                function(i)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_calls_of_many_threads_on_one_module(self):
        with qda.Client() as client, client.session() as session:
            module = session.module(SUM)

            def calls(i):
                for k in range(200):
                    self.assertEqual(module.invoke(PLAIN, struct.pack('<2i', i, k), Out(8)),
                                     (struct.pack('<q', i + k),))

            self.run_all(calls)

    def test_loops_of_many_threads_on_one_module(self):
        with qda.Client() as client, client.session() as session:
            module = session.module(SUM)

            async def calls(i):
                results = await asyncio.gather(*(module.submit(PLAIN, struct.pack('<2i', i, k), Out(8))
                                                 for k in range(300)))
                self.assertEqual(results, [(struct.pack('<q', i + k),) for k in range(300)])

            self.run_all(lambda i: asyncio.run(calls(i)))
            self.assertEqual(client._shared.calls.watches, {})

    def test_a_call_that_waits_stops_no_other_thread(self):
        with qda.Client() as client, client.session() as session:
            bad, done = session.module(BAD), []
            thread = threading.Thread(target=lambda: done.append(bad.invoke(HANG, bytes(4))))
            with self.broker.paused():
                thread.start()
                self.until(lambda: client.domains()[0].in_flight == 1)
                self.assertEqual(done, [])
            thread.join()
            self.assertEqual(done, [()])

    def test_what_is_in_use_is_freed_afterwards(self):
        client = qda.Client()
        session = client.session()
        bad, done = session.module(BAD), []
        thread = threading.Thread(target=lambda: done.append(bad.invoke(HANG, bytes(4))))
        with self.broker.paused():
            thread.start()
            self.until(lambda: client.domains()[0].in_flight == 1)
            bad.close()
            session.close()
            client.close()
            self.assertTrue(bad.closed and session.closed and client.closed)
        thread.join()
        self.assertEqual(done, [()])
        self.assertFalse(client._handle.pointer)
        with qda.Client() as other:
            self.assertEqual(other.domains()[0].sessions, 0)

    def test_a_loop_that_ended_before_its_calls(self):
        with qda.Client() as client, client.session() as session:
            bad = session.module(BAD)

            async def give_up():
                task = asyncio.create_task(bad.submit(HANG, FOREVER))
                await asyncio.sleep(0)
                task.cancel()

            asyncio.run(give_up())
            self.assertEqual(session.module(SUM).invoke(PLAIN, b'', Out(8)), (bytes(8),))
        self.assertFalse(client._handle.pointer)


if __name__ == '__main__':
    broker.main(__name__)
