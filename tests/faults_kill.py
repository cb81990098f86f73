# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_kill.py DAEMON

A hundred clients use the mount while the daemon is killed and replaced.
"""
import errno
import mmap
import os
import signal
import struct
import sys

from client import Counters, fails, fork, join, MQ, said, say, SHM, until, until_said, waits
import native

EACH = 25
GONE = errno.ENOTCONN, errno.ECONNABORTED
daemon = int(sys.argv[1])
counters, got = Counters(2 * EACH + 2), Counters(EACH)
os.close(os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT))
os.truncate(f"{SHM}/a", 2 * EACH * 4096)


def reader():
    fd = os.open(f"{MQ}/empty", os.O_RDONLY)
    if said("killed"):
        got.add(int(os.read(fd, 10)))
    else:
        fails(GONE, os.read, fd, 10)


def writer():
    fd = os.open(f"{MQ}/full", os.O_WRONLY)
    if said("killed"):
        os.write(fd, b"sent")
    else:
        fails(GONE, os.write, fd, b"lost")


def looper(i):
    fd = os.open(f"{SHM}/a", os.O_RDWR)
    for _ in until_said("end"):
        data = struct.pack("q", counters[i]) * 512
        os.pwrite(fd, data, i * 4096)
        assert os.pread(fd, 4096, i * 4096) == data
        counters.add(i)


def mapper(i):
    native_fd = native.shm_open("a", os.O_RDWR)
    fd = os.open(f"{SHM}/a", os.O_RDWR)
    shared = mmap.mmap(fd, 4096, offset=i * 4096)
    for _ in until_said("end"):
        data = struct.pack("q", counters[i]) * 512
        shared[:] = data
        assert os.pread(native_fd, 4096, i * 4096) == data
        counters.add(i)


def sender(i):
    mqd = native.mq_open("busy", os.O_WRONLY)
    for _ in until_said("end"):
        native.mq_send(mqd, b"%d" % counters[i])
        counters.add(i)
    native.mq_send(mqd, b"end")


def receiver(i):
    mqd = native.mq_open("busy", os.O_RDONLY)
    while (data := native.mq_receive(mqd)) != b"end":
        assert data == b"%d" % counters[i]
        counters.add(i)


def waiters():
    pids = [fork(f) for f in (reader, writer) for _ in range(EACH)]
    until(waits, *pids)
    return pids


pids = waiters()
others = [fork(looper, i) for i in range(EACH)]
others += [fork(mapper, i) for i in range(EACH, 2 * EACH)]
others += [fork(sender, 2 * EACH), fork(receiver, 2 * EACH + 1)]
counters.all_grow()
os.kill(daemon, signal.SIGKILL)
join(*pids)
fails(GONE, os.stat, SHM)
counters.all_grow()
say("killed")
until(said, "restarted")
counters.all_grow()
# Processes that wait now get one message each.
pids = waiters()
empty = native.mq_open("empty", os.O_WRONLY)
full = native.mq_open("full", os.O_RDONLY)
for i in range(EACH):
    native.mq_send(empty, b"%d" % i)
assert [native.mq_receive(full) for _ in range(EACH + 1)] == [b"x"] + [b"sent"] * EACH
say("end")
join(*pids, *others)
assert [got[i] for i in range(EACH)] == [1] * EACH
