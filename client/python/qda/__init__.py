# SPDX-License-Identifier: BSD-3-Clause
"""Calls functions on a Hexagon DSP through the broker qdad.

    import array, qda

    with qda.Client() as client, client.session() as session:
        module = session.module('file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0')
        total, = module.invoke(2, array.array('i', [1, 2, 3, 4]), qda.Out(8))
        print(int.from_bytes(total, 'little', signed=True))

A Client is one connection. A Session is one protection domain on the DSP: a process of one's own there. A Module is a
DSP library (skel) loaded in a session. A Buffer is memory that both sides see. Each may be used in `with`, or closed,
or just dropped, in any order: closing one closes what belongs to it.

`Module.invoke()` calls and waits; `await Module.submit()` is the same for asyncio. Errors are QdaError, an OSError
with the broker's words. All may be used by many threads at once.

It needs libqdaclient.so.0 and cffi, and no compiler.
"""
from ._arguments import Argument, InBuffer, Key, Out, OutBuffer, OutModule, OutNumber, Result
from ._lib import QdaError, strcode
from ._objects import Buffer, Client, Domain, Level, LogFunction, Module, Priority, Session

__all__ = ['Argument', 'Buffer', 'Client', 'Domain', 'InBuffer', 'Key', 'Level', 'LogFunction', 'Module', 'Out',
           'OutBuffer', 'OutModule', 'OutNumber', 'Priority', 'QdaError', 'Result', 'Session', 'strcode']
