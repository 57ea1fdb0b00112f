# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of calls: Python values to struct qda_arg, and outputs back."""
from __future__ import annotations

import operator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple, Union

from ._lib import QdaError, ffi, in_range, lib

if TYPE_CHECKING:
    from ._objects import Buffer, Module

SIZE_MAX = 2**64 - 1


@dataclass(frozen=True)
class Out:
    """`length` bytes that the DSP writes, copied with the reply: the result has them as bytes."""
    length: int


@dataclass(frozen=True)
class InBuffer:
    """Part of a buffer, read by the DSP, never copied: `length` bytes from `offset` on; None: to the end."""
    buffer: 'Buffer'
    offset: int = 0
    length: Optional[int] = None


@dataclass(frozen=True)
class OutBuffer:
    """Part of a buffer, written by the DSP, never copied: `length` bytes from `offset` on; None: to the end."""
    buffer: 'Buffer'
    offset: int = 0
    length: Optional[int] = None


@dataclass(frozen=True)
class Key:
    """IDL dmahandle: part of a buffer that Session.map() has shown to the skel under this key, in bytes."""
    key: int
    offset: int
    length: int


@dataclass(frozen=True)
class OutModule:
    """A remote handle that the method makes: the result has it as a Module, or None where it made none."""


@dataclass(frozen=True)
class OutNumber:
    """A number where the method gives a handle: the result has it as an int."""


# Whatever has the buffer protocol (bytes, bytearray, memoryview, array.array, numpy.ndarray, ...), contiguous, is an
# input by value; its type cannot be named before Python 3.12, hence Any.
Argument = Union[bytes, bytearray, memoryview, Out, InBuffer, OutBuffer, int, Key, 'Module', OutModule, OutNumber, Any]


class Result(Tuple[Any, ...]):
    """What a call gave: one element for each Out (bytes), OutNumber (int) and OutModule (Module), in their order.

    dsp_ns    nanoseconds it held its place on the DSP
    queue_ns  nanoseconds it waited for one
    """
    dsp_ns: int
    queue_ns: int

    def __new__(cls, values: List[Any], times: Any) -> Result:
        self = super().__new__(cls, values)
        self.dsp_ns, self.queue_ns = times.dsp_ns, times.queue_ns
        return self


class Arguments:
    """The array for one call, and all that it points at.

    While `in use` (a context manager) what it names cannot be freed. Inputs must stay until the call was sent, memory
    for outputs until it ended.
    """

    def __init__(self, args: Tuple[Argument, ...]) -> None:
        from ._objects import Buffer, Module
        self.n = len(args)
        self.array = ffi.new('struct qda_arg[]', self.n)
        self._keep: List[Any] = []
        self._handles: List[Tuple[int, str, Any]] = []
        self._outputs: List[Callable[[Callable[[Any], Any]], Any]] = []
        for i, value in enumerate(args):
            if isinstance(value, Out):
                self._out(i, value)
            elif isinstance(value, (InBuffer, OutBuffer)):
                self._buffer(i, value)
            elif isinstance(value, Key):
                a = self._set(i, lib.QDA_IN_KEY, value.offset, value.length)
                a.key = in_range('argument %d: key' % i, value.key, 2**32 - 1)
            elif isinstance(value, Module):
                self._set(i, lib.QDA_IN_MODULE)
                self._handles.append((i, 'module', value._handle))
            elif isinstance(value, OutModule):
                self._out_module(i)
            elif isinstance(value, OutNumber):
                self._out_number(i)
            elif isinstance(value, Buffer):
                raise TypeError('argument %d is a Buffer: say InBuffer(buffer) or OutBuffer(buffer)' % i)
            else:
                self._in(i, value)

    def _set(self, i: int, kind: int, offset: int = 0, length: int = 0) -> Any:
        a = self.array[i]
        a.type = kind
        a.offset = in_range('argument %d: offset' % i, offset, SIZE_MAX)
        a.length = in_range('argument %d: length' % i, length, SIZE_MAX)
        return a

    def _in(self, i: int, value: Any) -> None:
        try:
            number = operator.index(value)
        except TypeError:
            pass
        else:
            self._set(i, lib.QDA_IN_NUMBER).number = in_range('argument %d: number' % i, number, 2**64 - 1)
            return
        try:
            data = ffi.from_buffer('uint8_t[]', value)
        except TypeError:
            raise TypeError('argument %d is a %s: bytes and the like, int, Out, InBuffer, OutBuffer, Key, Module, '
                            'OutModule and OutNumber are possible' % (i, type(value).__name__)) from None
        except (BufferError, ValueError) as e:
            raise ValueError('argument %d: %s' % (i, e)) from None
        a = self._set(i, lib.QDA_IN, 0, len(data))
        setattr(a, 'in', data)
        self._keep.append(data)

    def _out(self, i: int, value: Out) -> None:
        a = self._set(i, lib.QDA_OUT, 0, value.length)
        a.out = data = ffi.new('uint8_t[]', value.length)
        self._outputs.append(lambda adopt: bytes(ffi.buffer(data)))

    def _buffer(self, i: int, value: Union[InBuffer, OutBuffer]) -> None:
        kind = lib.QDA_IN_BUFFER if isinstance(value, InBuffer) else lib.QDA_OUT_BUFFER
        length = value.length
        if length is None:
            length = max(value.buffer.size - value.offset, 0)
        self._set(i, kind, value.offset, length)
        self._handles.append((i, 'buffer', value.buffer._handle))

    def _out_module(self, i: int) -> None:
        self._set(i, lib.QDA_OUT_MODULE).out_module = made = ffi.new('struct qda_module **')
        self._outputs.append(lambda adopt: adopt(made[0]) if made[0] else None)

    def _out_number(self, i: int) -> None:
        self._set(i, lib.QDA_OUT_NUMBER).out_number = number = ffi.new('uint64_t *')
        self._outputs.append(lambda adopt: int(number[0]))

    def in_use(self) -> ExitStack:
        stack = ExitStack()
        try:
            for i, field, handle in self._handles:
                setattr(self.array[i], field, stack.enter_context(handle))
        except QdaError:
            stack.close()
            raise
        return stack

    def sent(self) -> None:
        """Inputs are needed no longer: a bytearray may be resized again."""
        self._keep.clear()

    def result(self, times: Any, adopt: Callable[[Any], Any]) -> Result:
        """`adopt` makes a Module of a struct qda_module."""
        return Result([output(adopt) for output in self._outputs], times)
