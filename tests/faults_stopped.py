# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_stopped.py DAEMON

The daemon is stopped: nothing is lost, and processes that come then can be killed.
"""
import ctypes
import errno
import os
import signal
import sys

from client import Counters, fork, is_idle, join, MQ, until, waits
import native

daemon, N = int(sys.argv[1]), 20
got, interrupted = Counters(2), Counters(N)
signal.signal(signal.SIGUSR1, lambda *_: None)


def is_stopped():
    return all(" T " in open(f"/proc/{daemon}/task/{t}/stat").read()
               for t in os.listdir(f"/proc/{daemon}/task"))


def reader(i):
    fd = os.open(f"{MQ}/q", os.O_RDONLY)
    buf = ctypes.create_string_buffer(10)
    # os.read() would try again after EINTR.
    n = native.libc.read(fd, buf, 10)
    if n > 0:
        got.add(int(buf.raw[:n]))
    else:
        assert ctypes.get_errno() == errno.EINTR
        interrupted.add(i)


readers = [fork(reader, i) for i in range(N)]
until(lambda: waits(*readers) and is_idle(daemon))
os.kill(daemon, signal.SIGSTOP)
until(is_stopped)
mqd = native.mq_open("q", os.O_RDWR)
for i in range(2):
    native.mq_send(mqd, b"%d" % i)
# The daemon has received these requests, so the readers wait for its reply.
for pid in readers:
    os.kill(pid, signal.SIGUSR1)
late = [fork(os.stat, f"{MQ}/{i}") for i in range(N)]
until(waits, *late)
for pid in late:
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in readers)
os.kill(daemon, signal.SIGCONT)
join(*readers)
left = native.mq_attr(mqd).curmsgs
assert got[0] + got[1] + left == 2, (got[0], got[1], left)
assert got[0] < 2 and got[1] < 2 and got[0] + got[1] + sum(interrupted) == N
assert os.stat(f"{MQ}/q").st_size == left
