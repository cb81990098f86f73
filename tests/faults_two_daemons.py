# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_two_daemons.py SECOND_MOUNT

A change through one daemon is visible through the other.
"""
import errno
import fcntl
import mmap
import os
import sys

from client import Counters, fails, fork, join, MNT, until, waits
import native

EACH, N = 4, 400
mounts = MNT, sys.argv[1]
one, two = [os.open(f"{m}/shm/a", os.O_RDWR | os.O_CREAT) for m in mounts]
os.ftruncate(one, 4096)
maps = [mmap.mmap(fd, 4096) for fd in (one, two)]
maps[0][:4] = b"seen"
assert maps[1][:4] == b"seen" and os.pread(two, 4, 0) == b"seen"
assert os.fstat(one).st_ino == os.fstat(two).st_ino

# A number that only the holder of the lock may change.


def count(mount, lock):
    fd = os.open(f"{mount}/shm/a", os.O_RDWR)
    for _ in range(N // EACH):
        lock(fd, fcntl.LOCK_EX)
        n = int(os.pread(fd, 10, 100))
        os.pwrite(fd, b"%10d" % (n + 1), 100)
        lock(fd, fcntl.LOCK_UN)


for lock in fcntl.flock, fcntl.lockf:
    os.pwrite(one, b"%10d" % 0, 100)
    join(*[fork(count, mounts[i % 2], lock) for i in range(EACH)])
    assert int(os.pread(two, 10, 100)) == N
    lock(one, fcntl.LOCK_EX)
    fails([errno.EAGAIN], lock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock(one, fcntl.LOCK_UN)
    lock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock(two, fcntl.LOCK_UN)

# Readers at both mounts get each message once.
got = Counters(N)


def reader(mount):
    fd = os.open(f"{mount}/mq:follow/q", os.O_RDONLY)
    while (data := os.read(fd, 10)) != b"end":
        got.add(int(data))


def writer(mount, first):
    fd = os.open(f"{mount}/mq/q", os.O_WRONLY)
    for i in range(first, N, EACH):
        os.write(fd, b"%d" % i)


readers = [fork(reader, mounts[i % 2]) for i in range(EACH)]
until(waits, *readers)
join(*[fork(writer, mounts[i % 2], i) for i in range(EACH)])
mqd = native.mq_open("q", os.O_WRONLY)
for _ in readers:
    native.mq_send(mqd, b"end")
join(*readers)
assert all(got[i] == 1 for i in range(N))
