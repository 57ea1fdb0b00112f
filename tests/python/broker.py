# SPDX-License-Identifier: BSD-3-Clause
"""A real qdad with a real software DSP in a fresh directory, for one test; and a result of unittest as TAP.

The build says in the environment where things are: QDA_TEST_QDAD, QDA_TEST_SKELS; and why the library
cannot be loaded into this Python, if so: QDA_TEST_UNFIT.
"""
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PATIENCE_S = 60  # much more than anything needs that is to happen at once
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


def state(pid):
    with open('/proc/%d/stat' % pid) as file:
        return file.read().rpartition(')')[2].split()[0]


class Broker:
    def __init__(self, config=''):
        self.dir = tempfile.mkdtemp(prefix='qda-python.')
        self.socket = os.path.join(self.dir, 'qdad.sock')
        conf = os.path.join(self.dir, 'conf')
        with open(conf, 'w') as file:
            file.write(config)
        ready, write = os.pipe()
        env = {k: v for k, v in os.environ.items() if k not in ('QDAD_SOCKET', 'DSP_LIBRARY_PATH', 'LD_LIBRARY_PATH')}
        with open(os.path.join(self.dir, 'log'), 'w') as log:
            self.process = subprocess.Popen(
                [os.environ['QDA_TEST_QDAD'], '--user', '--socket', self.socket, '--config', conf, '--modules',
                 os.environ['QDA_TEST_SKELS'], '--ready-fd', str(write)],
                pass_fds=[write], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env,
                preexec_fn=die_with_parent)
        os.close(write)
        with os.fdopen(ready) as file:
            if file.read() != 'ready\n':
                raise RuntimeError('qdad did not become ready; it said: ' + self.log())

    def log(self):
        with open(os.path.join(self.dir, 'log')) as file:
            return file.read()

    @contextlib.contextmanager
    def paused(self):
        """Its PDs stand still: calls that reach them neither begin nor end meanwhile."""
        pds = [pd for dsp in children(self.process.pid) for pd in children(dsp)]
        for pd in pds:
            os.kill(pd, signal.SIGSTOP)
            while state(pd) != 'T':
                time.sleep(0.001)
        try:
            yield
        finally:
            for pd in pds:
                os.kill(pd, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """It must end by itself, with success."""
        killed = self.process.poll() is not None
        if not killed:
            self.process.terminate()
        status = self.process.wait(PATIENCE_S)
        log = self.log()
        shutil.rmtree(self.dir)
        if not killed and status:
            raise AssertionError('qdad ended with status %d; it said: %s' % (status, log))


class Case(unittest.TestCase):
    """With a broker of its own, which $QDAD_SOCKET names."""
    config = ''

    def setUp(self):
        self.broker = Broker(self.config)
        self.addCleanup(self.broker.stop)
        os.environ['QDAD_SOCKET'] = self.broker.socket

    def until(self, condition):
        """What may come a moment later: look again until it is so."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, 'after %d s still not so' % PATIENCE_S)
            time.sleep(0.001)


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n = 0

    def say(self, ok, test, text='', skip=''):
        self.n += 1
        for line in text.splitlines():
            print('# ' + line)
        name = str(test).split()[0]
        print('%s %d - %s%s' % ('ok' if ok else 'not ok', self.n, name, ' # SKIP ' + skip if skip else ''), flush=True)

    def addSuccess(self, test):
        self.say(True, test)

    def addSkip(self, test, reason):
        self.say(True, test, '', reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(False, test, self._exc_info_to_string(err, test))

    addError = addFailure


def main(module):
    loader = unittest.defaultTestLoader
    here = sys.modules[module]
    tests = loader.loadTestsFromNames(sys.argv[1:], here) if sys.argv[1:] else loader.loadTestsFromModule(here)
    print('1..%d' % tests.countTestCases(), flush=True)
    result = Tap()
    tests.run(result)
    sys.exit(not result.wasSuccessful())


def skip_all(reason):
    print('# %s\n1..0 # SKIP %s' % (reason, reason))
    sys.exit(0)


def need_library():
    """Skip the whole program, with the reason, where the package cannot be loaded."""
    if os.environ['QDA_TEST_UNFIT']:
        skip_all(os.environ['QDA_TEST_UNFIT'])
    if not importlib.util.find_spec('cffi'):
        skip_all('there is no cffi for %s: install python3-cffi' % sys.executable)
