# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_abort.py DAEMON

Aborts the connection: waiting requests fail, mappings stay.
"""
import errno
import fcntl
import mmap
import os
import select
import sys

from client import fails, fork, is_idle, join, MNT, MQ, said, say, SHM, until, waits

GONE = errno.ENOTCONN, errno.ECONNABORTED
fd = os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
shared = mmap.mmap(fd, 4096)
held = os.open("/dev/shm/a", os.O_RDWR)
fcntl.flock(held, fcntl.LOCK_EX)


def reader():
    fails(GONE, os.read, os.open(f"{MQ}/empty", os.O_RDONLY), 10)


def writer():
    fails(GONE, os.write, os.open(f"{MQ}/full", os.O_WRONLY), b"lost")


def locker():
    fails(GONE, fcntl.flock, os.open(f"{SHM}/a", os.O_RDWR), fcntl.LOCK_EX)


def poller():
    p = select.poll()
    p.register(os.open(f"{MQ}/empty", os.O_RDONLY), select.POLLIN)
    say("polls")
    assert p.poll(20000)[0][1] & select.POLLERR


pids = [fork(f) for f in (reader, writer, locker) for _ in range(10)]
until(lambda: waits(*pids) and is_idle(sys.argv[1]))
pids.append(fork(poller))
until(said, "polls")
until(lambda: "poll" in open(f"/proc/{pids[-1]}/wchan").read())
minor = os.minor(os.stat(MNT).st_dev)
with open(f"/sys/fs/fuse/connections/{minor}/abort", "w") as f:
    f.write("1")
join(*pids)
shared[:7] = b"written"
os.pwrite(fd, b"and", 8)
assert os.pread(held, 11, 0) == b"written\0and"
