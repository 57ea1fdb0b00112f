# SPDX-License-Identifier: BSD-3-Clause
"""Calls that asyncio waits for: the library's descriptor in the event loop, and what ended back to the coroutines.

While calls of a loop are on their way, the loop watches the connection's descriptor: a Watch, which counts as a use of
the client, so that the descriptor is not closed under the loop. What the library's callbacks learn, on whichever
thread, is told to the loop; nothing else is done there.
"""
from __future__ import annotations

import asyncio
import errno
import itertools
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional, Union

from ._arguments import Arguments, Result
from ._handle import Callback, Critical, Handle
from ._lib import QdaError, error_of, ffi, lib

Loop = asyncio.AbstractEventLoop

RETRY_S = 0.05  # calls of other threads and loops may take the places: their end is not told here

_numbers = itertools.count(1)
_calls: Dict[int, 'Call'] = {}


class Watch:
    """A loop that watches a client, for as long as somebody holds it."""

    def __init__(self, calls: Calls, loop: Loop) -> None:
        self._calls = calls
        self._held = 0
        self._room: Deque[asyncio.Future[None]] = deque()
        self.loop = loop
        self._pointer = calls.handle.__enter__()
        self._fd = lib.qda_fd(self._pointer)
        try:
            if self._fd < 0:
                raise QdaError(-self._fd, 'this connection belongs to the parent process: connect again after fork()')
            loop.add_reader(self._fd, self._dispatch)
        except BaseException:
            calls.handle.__exit__()
            raise

    def _dispatch(self) -> None:
        lib.qda_dispatch(self._pointer, 0)  # that the broker is gone every call learns by itself

    def hold(self) -> Watch:
        self._held += 1
        return self

    def let_go(self) -> None:
        self._held -= 1
        while self._room:
            waiter = self._room.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if self._held == 0:
            self._end()

    def _end(self) -> None:
        self._calls.watches.pop(self.loop, None)
        if not self.loop.is_closed():
            self.loop.remove_reader(self._fd)
        self._calls.handle.__exit__()

    async def room(self) -> None:
        """Until a call has ended, or may have."""
        waiter = self.loop.create_future()
        self._room.append(waiter)
        await asyncio.wait([waiter], timeout=RETRY_S)


class Calls:
    """All that is on its way for one client."""

    def __init__(self) -> None:
        self.handle: Handle
        self.watches: Dict[Loop, Watch] = {}

    def watch(self, loop: Loop) -> Watch:
        watch = self.watches.get(loop)
        if not watch:
            watch = self.watches[loop] = Watch(self, loop)
        return watch.hold()

    def mine(self) -> list[Call]:
        with Critical():
            return [call for call in _calls.values() if call.calls is self]

    def abandon(self) -> None:
        """The client is being closed: the library will not call back any more."""
        for call in self.mine():
            call.tell(QdaError(errno.ECANCELED, 'the client was closed while the call was on its way'), True)

    def forget(self) -> None:
        """The client is gone, and nothing is written to memory of outputs any more."""
        for call in self.mine():
            del _calls[call.number]


class Call:
    """One call on its way. `adopt` makes a Module of a struct qda_module."""

    def __init__(self, calls: Calls, watch: Watch, arguments: Arguments, adopt: Callable[[Any], Any]) -> None:
        self.calls = calls
        self.number = next(_numbers)
        self.future: asyncio.Future[Result] = watch.loop.create_future()
        self._watch: Optional[Watch] = watch
        self._arguments = arguments
        self._adopt = adopt
        self._pointer = ffi.new('struct qda_call **')
        self._ended = False

    def submit(self, module: Any, method: int, options: Any, err: Any) -> int:
        with Critical():
            _calls[self.number] = self
        r = int(lib.qda_submit(module, method, self._arguments.array, self._arguments.n, options, on_ended,
                               ffi.cast('void *', self.number), self._pointer, err))
        if r:
            with Critical():
                del _calls[self.number]
        else:
            assert self._watch
            self._watch.hold()
            self._arguments.sent()
        return r

    def cancel(self) -> None:
        """In the loop. The broker answers; until then memory of outputs is kept."""
        with Critical():  # the callback, after which it would be another call's, has to wait
            if self._ended or not self._watch or self.calls.handle.closed:
                return
            r = lib.qda_cancel(self.calls.handle.pointer, self._pointer[0])
        if r == -errno.EAGAIN:
            self._watch.loop.call_later(RETRY_S, self.cancel)

    def ended(self, err: Any, times: Any) -> None:
        """In the callback."""
        with Critical():
            self._ended = True
            _calls.pop(self.number, None)
        try:
            self.tell(error_of(err) if err else self._arguments.result(times, self._adopt))
        except QdaError as e:  # a module of a session that is gone
            self.tell(e)

    def tell(self, outcome: Union[Result, QdaError], may_be_here: bool = False) -> None:
        watch = self._watch
        if not watch:
            return
        loop = watch.loop
        if may_be_here and (not loop.is_running() or asyncio._get_running_loop() is loop):
            self.settle(outcome)
            return
        try:
            loop.call_soon_threadsafe(self.settle, outcome)
        except RuntimeError:  # closed: nobody waits any more
            self.settle(outcome)

    def settle(self, outcome: Union[Result, QdaError]) -> None:
        """In the loop, or when that is over."""
        watch, self._watch = self._watch, None
        if not watch:
            return
        if not self.future.done() and not watch.loop.is_closed():
            if isinstance(outcome, QdaError):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
        watch.let_go()


@ffi.callback('qda_call_fn')  # type: ignore[misc]
def on_ended(data: Any, err: Any, times: Any) -> None:
    with Callback():
        call = _calls.get(int(ffi.cast('uintptr_t', data)))
        if call:
            call.ended(err, times)
