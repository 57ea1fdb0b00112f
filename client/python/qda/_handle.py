# SPDX-License-Identifier: BSD-3-Clause
"""Who may free what, and when.

The library is thread-safe but for one thing: nothing may be freed while another thread uses it; and freeing an object
frees what it holds. A Handle is the one owner of a C object. It counts the threads that are inside the library with
it; each of them also counts at the handle of what it belongs to. Closing forbids new uses at once, and frees when the
last use is over.

Nothing is freed inside a callback of the library, nor by a garbage collection in the middle of this bookkeeping:
what is dropped there waits for the end of the next use of any handle.
"""
from __future__ import annotations

import errno
import os
import threading
from collections import deque
from typing import Any, Callable, Deque, Iterator, Optional

from ._lib import QdaError, ffi


class _Thread(threading.local):
    depth = 0


_thread = _Thread()
_lock = threading.RLock()
_dropped: Deque['Handle'] = deque()


class Critical:
    """The bookkeeping of all handles and calls, by one thread at a time."""

    def __enter__(self) -> None:
        _lock.acquire()
        _thread.depth += 1

    def __exit__(self, *_: object) -> None:
        _thread.depth -= 1
        _lock.release()


class Callback:
    """Inside a callback of the library."""

    def __enter__(self) -> None:
        _thread.depth += 1

    def __exit__(self, *_: object) -> None:
        _thread.depth -= 1


def _in_child() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have had it


os.register_at_fork(after_in_child=_in_child)


class Handle:
    """A C object, `pointer`, until `free` has been called with it. Use: `with handle as pointer:`."""
    __slots__ = ('pointer', 'parent', '_what', '_free', '_on_close', '_uses', '_closed')

    def __init__(self, what: str, pointer: Any, free: Callable[[Any], Any], parent: Optional[Handle] = None,
                 on_close: Optional[Callable[[], None]] = None) -> None:
        self.pointer = pointer
        self.parent = parent
        self._what = what
        self._free = free
        self._on_close = on_close
        self._uses = 0
        self._closed = False

    def _chain(self) -> Iterator[Handle]:
        handle: Optional[Handle] = self
        while handle:
            yield handle
            handle = handle.parent

    @property
    def closed(self) -> bool:
        return any(h._closed for h in self._chain())

    def __enter__(self) -> Any:
        with Critical():
            for h in self._chain():
                if h._closed:
                    raise QdaError(errno.EBADF, 'the %s was closed before' % h._what)
            for h in self._chain():
                h._uses += 1
        return self.pointer

    def __exit__(self, *_: object) -> None:
        for h in self._chain():
            with Critical():
                h._uses -= 1
                due = h._closed and h._uses == 0
            if due:  # what it belongs to is still in use, by us
                h._free(h.pointer)
                h.pointer = ffi.NULL
        _reap()

    def close(self) -> None:
        """May be called at any time, any number of times."""
        _dropped.append(self)
        _reap()

    def _end(self) -> None:
        with Critical():
            if self.closed:  # freed already, or soon, or with what it belongs to
                self._closed = True
                return
            for h in self._chain():
                h._uses += 1
            self._closed = True
        if self._on_close:
            self._on_close()
        self.__exit__()


def _reap() -> None:
    while _dropped and not _thread.depth:
        try:
            handle = _dropped.popleft()
        except IndexError:  # another thread was faster
            return
        handle._end()
