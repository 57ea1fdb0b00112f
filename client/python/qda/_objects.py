# SPDX-License-Identifier: BSD-3-Clause
"""Client, Session, Module and Buffer: see the package's own words."""
from __future__ import annotations

import asyncio
import enum
import errno
import fcntl
import itertools
import math
import mmap
import os
import weakref
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence, TypeVar, Union

from ._arguments import SIZE_MAX, Argument, Arguments, Result
from ._async import Call, Calls
from ._handle import Callback, Handle
from ._lib import QdaError, c_string, error_code, error_of, ffi, in_range, lib, new_error, text

Path = Union[str, 'os.PathLike[str]']
T = TypeVar('T', bound='_Object')
UINT32_MAX = 2**32 - 1
INT_MAX = 2**31 - 1


class Priority(enum.IntEnum):
    """Of a call."""
    LOW = -1     #: after the other calls of the same user
    NORMAL = 0
    HIGH = 1     #: before the other calls of the same user
    URGENT = 2   #: before those of other users, too; only by policy


class Level(enum.IntEnum):
    """Of a log line."""
    LOW = 0
    MEDIUM = 1
    HIGH = 2
    ERROR = 3
    FATAL = 4


@dataclass(frozen=True)
class Domain:
    """A DSP as the broker describes it."""
    name: str            #: 'cdsp'
    state: str           #: 'up', 'down', 'starting'
    device: str          #: 'soft', 'accel'
    arch: int            #: 0x68: Hexagon v68; 0: unknown
    unsigned_pd: bool    #: unprivileged sessions can be opened
    sessions_max: int
    sessions: int
    in_flight: int       #: calls on the DSP
    queued: int          #: calls that wait for it
    calls: int           #: so far
    busy_ns: int


class _Object:
    """What has a handle. Ends with `with`, with close(), when nobody has it any more, or with the interpreter."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, handle.close)

    def close(self) -> None:
        """Free it, and what belongs to it. It cannot be used any more then; closing it again does nothing.

        While other threads are inside calls of it, it is freed when the last of them returns: give such calls a
        timeout. Inside a log function it is freed after that.
        """
        self._finalizer()

    @property
    def closed(self) -> bool:
        """It, or what it belongs to, was closed."""
        return self._handle.closed

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return '<qda.%s%s>' % (type(self).__name__, ' closed' if self.closed else '')


LogFunction = Callable[[Optional['Session'], Level, str, int], None]


class _Shared:
    """What callbacks of the library need of a client; it must not keep the client alive."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.log: Optional[LogFunction] = None
        self.sessions: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()

    def free(self, pointer: Any) -> None:
        lib.qda_disconnect(pointer)
        self.calls.forget()


_shared: weakref.WeakValueDictionary[int, _Shared] = weakref.WeakValueDictionary()
_numbers = itertools.count(1)


@ffi.callback('qda_log_fn')  # type: ignore[misc]
def _on_line(data: Any, session: Any, level: int, line: Any, dropped: int) -> None:
    with Callback():
        shared = _shared.get(int(ffi.cast('uintptr_t', data)))
        log = shared.log if shared else None
        if shared and log:
            log(shared.sessions.get(int(ffi.cast('uintptr_t', session))), Level(level),
                text(line), dropped)


class Client(_Object):
    """A connection to the broker.

    path  of its socket; None: $QDAD_SOCKET, else /run/qdad/qdad.sock, else $XDG_RUNTIME_DIR/qdad/qdad.sock
    name  shows up in qdactl; None: the program's name

    QdaError: ECONNREFUSED, ENOENT: no broker there; EACCES: policy; EDQUOT: a quota.
    After fork() the child cannot use it (ECHILD), only close it; that does not disturb the parent.
    """

    def __init__(self, path: Optional[Path] = None, name: Optional[str] = None) -> None:
        out, err = ffi.new('struct qda_client **'), new_error()
        if lib.qda_connect(c_string('path', path), c_string('name', name), out, err):
            raise error_of(err)
        self._shared = _Shared()
        self._number = next(_numbers)
        _shared[self._number] = self._shared
        super().__init__(Handle('client', out[0], self._shared.free, on_close=self._shared.calls.abandon))
        self._shared.calls.handle = self._handle

    def domains(self) -> List[Domain]:
        """The DSPs that the broker has, in its order."""
        most, err = 8, new_error()
        with self._handle as client:
            while True:
                rows = ffi.new('struct qda_domain[]', most)
                n = lib.qda_domains(client, rows, most, err)
                if n < 0:
                    raise error_of(err)
                if n <= most:
                    break
                most = n
        return [Domain(text(r.name), text(r.state), text(r.device), r.arch, bool(r.unsigned_pd), r.sessions_max,
                       r.sessions, r.in_flight, r.queued, r.calls, r.busy_ns) for r in rows[0:n]]

    def session(self, domain: Optional[str] = None, *, module_dirs: Sequence[Path] = (), wait_ms: int = 0,
                hang_ms: int = 0, privileged: bool = False) -> Session:
        """Open a session: a process of one's own (protection domain) on a DSP.

        domain       None: the first that the broker has
        module_dirs  at most 8 directories where modules are looked for first; only a `qdad --user` takes them (EPERM)
        wait_ms      how long to wait, in milliseconds, while all sessions of the domain are taken; 0: not (EUSERS)
        hang_ms      end the session (ECONNRESET for its calls) when a call of it, not parked, holds the DSP longer
                     than this; 0, or what is more than the domain's own limit: that limit
        privileged   with the rights of signed ones; only by policy (EACCES), and where there are any (ENOTSUP)

        QdaError: these; ENODEV: no such domain; EDQUOT: a quota.
        """
        out, err = ffi.new('struct qda_session **'), new_error()
        names = [c_string('module directory', d) for d in module_dirs]
        dirs = ffi.new('const char *[]', names + [ffi.NULL])
        c_domain = c_string('domain', domain)
        options = ffi.new('struct qda_session_options *', {
            'domain': c_domain,
            'module_dirs': dirs,
            'wait_ms': in_range('wait_ms', wait_ms, UINT32_MAX),
            'hang_ms': in_range('hang_ms', hang_ms, UINT32_MAX),
            'privileged': bool(privileged),
        })
        with self._handle as client:
            if lib.qda_session_open(client, options, out, err):
                raise error_of(err)
            return Session(self, out[0])

    def buffer(self, size: int, domain: Optional[str] = None) -> Buffer:
        """Memory that program and DSP both see: `size` bytes, rounded up to pages, zeroed.

        It may be used in all sessions of the domain (None: the first one). QdaError: EDQUOT: a quota; ENODEV: no such
        domain; EINVAL: a size that is not possible.
        """
        out, err = ffi.new('struct qda_buffer **'), new_error()
        in_range('size', size, SIZE_MAX)
        with self._handle as client:
            if lib.qda_buffer_alloc(client, c_string('domain', domain), size, out, err):
                raise error_of(err)
            return Buffer(self, out[0])

    def import_buffer(self, fd: int, size: int = 0, *, read_only: bool = False,
                      domain: Optional[str] = None) -> Buffer:
        """The same of memory that exists: a memfd with F_SEAL_SHRINK (or, on a board, a dma-buf).

        fd         stays the caller's and may be closed then
        size       in bytes; 0: all of it, for a memfd whose size is a multiple of 4096; others are rounded up to
                   pages, which must be there (ERANGE)
        read_only  the DSP may only read it
        """
        out, err = ffi.new('struct qda_buffer **'), new_error()
        in_range('size', size, SIZE_MAX)
        if not -INT_MAX <= fd <= INT_MAX:
            raise QdaError(errno.EBADF, 'descriptor %d: no such number is possible' % fd)
        with self._handle as client:
            if lib.qda_buffer_import(client, c_string('domain', domain), fd, size,
                                     lib.QDA_BUFFER_READ_ONLY if read_only else 0, out, err):
                raise error_of(err)
            return Buffer(self, out[0])

    def log(self, function: Optional[LogFunction]) -> None:
        """Have `function(session, level, text, dropped)` called for each line that skels log; None: no more.

        text     'FILE.c:LINE: what the skel said'
        dropped  how many lines were lost before this one
        session  None: one that is being opened, or was dropped

        It is called by whichever thread is inside the library: in any function that waits for the broker, and in
        dispatch(). It must not wait for the broker itself (EDEADLK). What it raises goes to sys.unraisablehook.
        """
        err = new_error()
        with self._handle as client:
            self._shared.log = function
            if lib.qda_log(client, _on_line if function else ffi.NULL, ffi.cast('void *', self._number), err):
                raise error_of(err)

    def fileno(self) -> int:
        """The connection's descriptor, for event loops other than asyncio: when it can be read, call dispatch()."""
        with self._handle as client:
            fd = int(lib.qda_fd(client))
        if fd < 0:
            raise error_code(fd)
        return fd

    def dispatch(self, timeout: Optional[float] = 0) -> int:
        """Take in what has arrived: log lines, and the ends of calls; returns how many calls ended.

        Waits for something at most `timeout` seconds; None: without limit. asyncio has it called by itself while calls
        are on their way. QdaError: ECONNRESET: the broker is gone; EDEADLK: in a log function.
        """
        ms = -1 if timeout is None else in_range('timeout in ms', math.ceil(timeout * 1000), INT_MAX)
        with self._handle as client:
            n = int(lib.qda_dispatch(client, ms))
        if n < 0:
            raise error_code(n)
        return n


class Session(_Object):
    """A protection domain on a DSP; from Client.session(). Closing it ends whatever runs in it: submitted calls end
    with ECANCELED, and its modules are closed with it."""

    def __init__(self, client: Client, pointer: Any) -> None:
        super().__init__(Handle('session', pointer, lib.qda_session_close, client._handle))
        self.client = client
        client._shared.sessions[int(ffi.cast('uintptr_t', pointer))] = self

    @property
    def alive(self) -> bool:
        """As far as is known."""
        return self.lost is None

    @property
    def lost(self) -> Optional[QdaError]:
        """Why it is gone: signal, module, method; None while it lives. A lost one must still be closed."""
        err = new_error()
        with self._handle as session:
            return None if lib.qda_session_alive(session, err) else error_of(err)

    def module(self, uri: str) -> Module:
        """Load a skel.

        uri  'file:///libNAME_skel.so?NAME_skel_handle_invoke&_modver=1.0', or just 'NAME' for the older kind

        QdaError: EREMOTEIO: the DSP refused (aee is its code, text names every path tried); EACCES: policy; EDQUOT.
        """
        out, err = ffi.new('struct qda_module **'), new_error()
        with self._handle as session:
            if lib.qda_module_open(session, c_string('uri', uri), out, err):
                raise error_of(err)
            return Module(self, out[0])

    def map(self, buffer: Buffer, key: int, offset: int = 0, size: int = 0) -> int:
        """Show a buffer to the session's skels under a number that travels in payload. Returns its DSP address.

        key           0 to 0x3fffffff, one use per session (EEXIST)
        offset, size  in bytes, multiples of 4096; size 0: to the end

        Buffers that are only arguments need no map.
        """
        address, err = ffi.new('uint64_t *'), new_error()
        in_range('key', key, UINT32_MAX)
        in_range('offset', offset, SIZE_MAX)
        in_range('size', size, SIZE_MAX)
        with self._handle as session, buffer._handle as memory:
            if lib.qda_buffer_map(session, memory, key, offset, size, address, err):
                raise error_of(err)
        return int(address[0])

    def unmap(self, key: int) -> None:
        """Take it away again. QdaError: ENOENT: nothing has this key."""
        err = new_error()
        in_range('key', key, UINT32_MAX)
        with self._handle as session:
            if lib.qda_buffer_unmap(session, key, err):
                raise error_of(err)


class Module(_Object):
    """A DSP library loaded in a session, or an object that a method made; from Session.module() and OutModule().

    Arguments of a call stand in the order of FastRPC: all in, all out, handles in, handles out.

        bytes, bytearray, memoryview, ...   bytes to the DSP, copied with the message
        InBuffer(buffer, offset, length)    part of a buffer, never copied
        Out(n)                              n bytes from the DSP, copied with the reply
        OutBuffer(buffer, offset, length)   part of a buffer, never copied
        Key(key, offset, length)            part of a buffer mapped under a key (IDL dmahandle)
        int                                 any number where the method takes a handle, 0 to 2**64 - 1
        Module                              of the same session
        OutModule(), OutNumber()            what the method makes, or the number it gives

    Those by value may come to 61440 bytes a call (EMSGSIZE). Methods of a handle interface begin at 2; those from 31
    on need their number, as 32 bits, at the begin of the first in argument (EINVAL).
    """

    def __init__(self, session: Session, pointer: Any) -> None:
        super().__init__(Handle('module', pointer, lib.qda_module_close, session._handle))
        self.session = session

    def _options(self, timeout: Optional[float], priority: int, parked: bool) -> Any:
        us = 0
        if timeout is not None:
            if not timeout > 0:
                raise ValueError('timeout %r: seconds, more than 0; None: no deadline' % timeout)
            us = in_range('timeout in us', math.ceil(min(timeout, 2.0**44) * 1e6), SIZE_MAX)
        if not Priority.LOW <= priority <= Priority.URGENT:
            raise ValueError('priority %r: from LOW (-1) to URGENT (2)' % priority)
        return ffi.new('struct qda_call_options *', {'timeout_us': us, 'priority': priority, 'parked': bool(parked)})

    def _adopt(self, pointer: Any) -> Module:
        return Module(self.session, pointer)

    def _adopt_late(self, pointer: Any) -> Module:
        with self.session._handle:  # if it was closed meanwhile, the pointer is freed with it
            return Module(self.session, pointer)

    def invoke(self, method: int, *args: Argument, timeout: Optional[float] = None,
               priority: int = Priority.NORMAL, parked: bool = False) -> Result:
        """Call a method and wait. Other threads run meanwhile; Ctrl-C is seen when it has returned.

        timeout   seconds (ETIME). A method that runs already goes on, abandoned: it may still read and write its
                  buffers, until it returns or its session is closed
        priority  among other calls
        parked    the method waits for something outside the DSP (a listener, a queue): it takes no place from others
                  and may run for as long as it likes; only by policy

        QdaError: EREMOTEIO: the method returned non-zero (dsp_result), outputs are then not touched; ECONNRESET: the
        session or the broker is gone; EDQUOT: a quota; EACCES: policy; EINVAL: arguments that are not possible.
        """
        arguments, options, err = Arguments(args), self._options(timeout, priority, parked), new_error()
        in_range('method', method, UINT32_MAX)
        with self._handle as module:
            with arguments.in_use():
                if lib.qda_invoke(module, method, arguments.array, arguments.n, options, err):
                    raise error_of(err)
            return arguments.result(options, self._adopt)

    async def submit(self, method: int, *args: Argument, timeout: Optional[float] = None,
                     priority: int = Priority.NORMAL, parked: bool = False) -> Result:
        """The same for asyncio: `await module.submit(...)`. Many may be on their way at once, also on one module.

        Where the connection has no place for another call (256 as a rule), it waits for one. Cancelling it (also by
        asyncio.wait_for) gives the call up: one that waits at the broker is dropped, one that runs is abandoned.
        ECANCELED: its session, or the client, was closed. Inputs must not change before the call was sent.
        """
        arguments, options, err = Arguments(args), self._options(timeout, priority, parked), new_error()
        in_range('method', method, UINT32_MAX)
        calls = self.session.client._shared.calls
        watch = calls.watch(asyncio.get_running_loop())
        call = Call(calls, watch, arguments, self._adopt_late)
        try:
            while True:
                with self._handle as module, arguments.in_use():
                    r = call.submit(module, method, options, err)
                if not r:
                    break
                if r != -errno.EAGAIN:
                    raise error_of(err)
                await watch.room()
        finally:
            watch.let_go()
        try:
            return await call.future
        except asyncio.CancelledError:
            call.cancel()
            raise


class Buffer(_Object):
    """Memory that program and DSP both see; from Client.buffer() and Client.import_buffer(). It belongs to the client.

    Closing it gives the memory back to the broker; a call on its way keeps the DSP's view until it ends. Views of it
    stay valid, but nobody else sees any more what is written there.
    """

    def __init__(self, client: Client, pointer: Any) -> None:
        super().__init__(Handle('buffer', pointer, lib.qda_buffer_free, client._handle))
        self.client = client
        self._size = int(lib.qda_buffer_size(pointer))
        self._memory: Optional[mmap.mmap] = None

    @property
    def size(self) -> int:
        """In bytes, whole pages."""
        return self._size

    def __len__(self) -> int:
        return self._size

    @property
    def data(self) -> memoryview:
        """Its bytes, without copy: a memoryview, for numpy.frombuffer(), file.readinto(), slices, ... It is read-only
        for imported memory whose descriptor is. QdaError: EACCES: imported memory that cannot be read here."""
        # A mapping of its own, which the views keep alive: the library's is gone when the buffer is closed.
        with self._handle as buffer:
            if self._memory is None:
                if lib.qda_buffer_data(buffer) == ffi.NULL:
                    raise QdaError(errno.EACCES, 'this memory cannot be read here: its descriptor does not allow it')
                self._memory = self._map(lib.qda_buffer_fd(buffer))
            return memoryview(self._memory)

    def _map(self, fd: int) -> mmap.mmap:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
            try:
                return mmap.mmap(fd, self._size)
            except OSError:  # sealed against writing
                pass
        return mmap.mmap(fd, self._size, access=mmap.ACCESS_READ)

    def fileno(self) -> int:
        """A descriptor of the memory, to be shared with other processes: the buffer's own, os.dup() it to keep it."""
        with self._handle as buffer:
            return int(lib.qda_buffer_fd(buffer))

    def close(self) -> None:
        super().close()
        self._memory = None

    def __repr__(self) -> str:
        return '<qda.Buffer of %d bytes%s>' % (self._size, ' closed' if self.closed else '')
