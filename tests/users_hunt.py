# SPDX-License-Identifier: BSD-3-Clause
"""Usage: users_hunt.py DAEMON FILE

A user kills or stops the process that creates for him, and fails alone.
"""
import ctypes
import errno
import os
import signal
import sys

daemon, path = sys.argv[1:]


def hunt(sig):
    while True:
        for tid in os.listdir(f"/proc/{daemon}/task"):
            try:
                for pid in open(f"/proc/{daemon}/task/{tid}/children").read().split():
                    os.kill(int(pid), sig)
            except OSError:
                pass


# os.open() would try again after EINTR.
libc = ctypes.CDLL(None, use_errno=True)
for sig in signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM:
    hunter = os.fork()
    if hunter == 0:
        hunt(sig)
    made = hit = 0
    while made < 100 or (hit < 10 and sig != signal.SIGTERM):
        fd = libc.open(path.encode(), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        if fd >= 0:
            made += 1
            os.close(fd)
        else:
            assert ctypes.get_errno() == errno.EINTR, ctypes.get_errno()
            hit += 1
        try:
            os.unlink(path)
        except FileNotFoundError:
            assert fd < 0
    assert sig != signal.SIGTERM or hit == 0, hit
    os.kill(hunter, signal.SIGKILL)
    os.waitpid(hunter, 0)
