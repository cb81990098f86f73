# SPDX-License-Identifier: BSD-3-Clause
"""Usage: abuse_async.py UID

Asynchronous writes of a user to a full queue hold up nobody's close, and end.
"""
import ctypes
import errno
import os
import signal
import struct
import sys

from client import MQ, SHM, fork, join, until, waits

user = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
io_setup, io_submit = (206, 209) if os.uname().machine == "x86_64" else (0, 2)


def submit():
    os.setresuid(user, user, user)
    fd = os.open(f"{MQ}/full", os.O_WRONLY | os.O_DIRECT)
    context, text = ctypes.c_ulong(), ctypes.create_string_buffer(b"x")
    assert libc.syscall(io_setup, 1, ctypes.byref(context)) == 0
    write = ctypes.create_string_buffer(struct.pack(
        "=QIIHhIQQqQII", 0, 0, 0, 1, 0, fd, ctypes.addressof(text), 1, 0, 0, 0, 0))
    writes = (ctypes.c_void_p * 1)(ctypes.addressof(write))
    assert libc.syscall(io_submit, context, 1, writes) == 1
    signal.pause()


def closes():
    try:
        os.close(os.open(f"{SHM}/a", os.O_RDWR))
        return True
    except OSError as e:
        assert e.errno == errno.EMFILE
        return False


def use():
    os.setresuid(user + 1, user + 1, user + 1)
    for _ in range(50):
        until(closes)


pids = [fork(submit) for _ in range(20)]
until(waits, *pids)
join(fork(use))
for pid in pids:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
