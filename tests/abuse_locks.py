# SPDX-License-Identifier: BSD-3-Clause
"""Usage: abuse_locks.py UID plain|locked

Processes of a user keep an object busy that has very many locks; see many_locks.
"""
import fcntl
import os
import signal
import struct
import sys
import time

from client import SHM, fork, join

user, how = int(sys.argv[1]), sys.argv[2]
ready, go = os.pipe(), os.pipe()
N = 50000
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * N - 1, 1, 0)


def lock_natively():
    os.close(go[1])
    os.setresuid(user, user, user)
    fd = os.open("/dev/shm/many", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(fd, fcntl.LOCK_EX, 2 * N, 0)
    for i in reversed(range(N)):
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, 2 * i + 1)
    os.write(ready[1], b"x")
    signal.pause()


def use(f):
    os.close(go[1])
    os.setresuid(user, user, user)
    fd = os.open(f"{SHM}/many", os.O_RDWR)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    while True:
        try:
            f(fd)
        except OSError:
            pass


def ask(fd):
    fcntl.fcntl(fd, fcntl.F_GETLK, lock)


def close(fd):
    if how == "locked":
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 2 * N)
    os.close(os.dup(fd))


def victim():
    os.setresuid(user + 1, user + 1, user + 1)
    refused, longest, start = 0, 0, time.monotonic()
    for _ in range(100):
        began = time.monotonic()
        if began - start > 10:
            break
        try:
            os.stat(f"{SHM}/theirs")
            os.close(os.open(f"{SHM}/theirs", os.O_RDONLY))
        except OSError:
            refused += 1
        longest = max(longest, time.monotonic() - began)
    print(f"# {how}: {refused} refused, longest {longest * 1000:.0f} ms")
    sys.stdout.flush()
    assert refused == 0


pids = [fork(lock_natively)]
try:
    assert os.read(ready[0], 1) == b"x"
    for f in [close] * 700 + [ask] * 240:
        pids.append(fork(use, f))
        assert os.read(ready[0], 1) == b"x"
    os.close(go[1])
    join(fork(victim))
finally:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)
