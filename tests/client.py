# SPDX-License-Identifier: BSD-3-Clause
"""What the tests' programs share: processes, users, and waiting for them."""
import contextlib
import mmap
import os
import struct
import sys
import time

MNT, SHM, MQ, WORK = (os.environ[n] for n in ("MNT", "SHM", "MQ", "WORK"))


def fork(f, *args):
    """Runs f in a process. What it raises makes join() fail."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            f(*args)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return pid


def as_user(user, f, *args):
    """Runs f in a process of a user who has no groups but its own."""
    def run():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        f(*args)
    return fork(run)


def join(*pids):
    for pid in pids:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, (pid, status)


def until(f, *args):
    """Waits until f is true; fails after two minutes."""
    end = time.monotonic() + 120
    while not f(*args):
        assert time.monotonic() < end, ("never true", f, args)
        time.sleep(0.01)


def waits(*pids):
    """Whether each is in a request of the mount."""
    return all(open(f"/proc/{pid}/wchan").read() == "request_wait_answer"
               for pid in pids)


def wait_channels(daemon):
    """Where in the kernel each of its workers is."""
    ret = []
    for task in os.listdir(f"/proc/{daemon}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if open(f"/proc/{daemon}/task/{task}/comm").read() == "worker\n":
                ret.append(open(f"/proc/{daemon}/task/{task}/wchan").read())
    return ret


def is_idle(daemon):
    """Whether all workers of the daemon wait for a request, so that none is left."""
    return all(c == "fuse_dev_do_read" for c in wait_channels(daemon))


def fails(errnos, f, *args):
    """Asserts that f fails with one of the errnos."""
    try:
        f(*args)
    except OSError as e:
        assert e.errno in errnos, e
    else:
        raise AssertionError(("succeeded", f, args))


def say(word):
    """Makes said(word) true, here and for the shell."""
    open(f"{WORK}/{word}", "w").close()


def said(word):
    return os.path.exists(f"{WORK}/{word}")


def until_said(word):
    """Yields at an easy pace until it was said."""
    while not said(word):
        yield
        time.sleep(0.001)


class Counters:
    """Numbers that processes share, each its own."""

    def __init__(self, n):
        self.map = mmap.mmap(-1, 8 * n)
        self.n = n

    def add(self, i, n=1):
        struct.pack_into("q", self.map, 8 * i, self[i] + n)

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        return struct.unpack_from("q", self.map, 8 * i)[0]

    def all_grow(self):
        """Waits until each has grown by ten."""
        old = [self[i] for i in range(self.n)]
        until(lambda: all(self[i] > old[i] + 10 for i in range(self.n)))
