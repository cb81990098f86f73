# SPDX-License-Identifier: BSD-3-Clause
"""Usage: users_notify.py MQ UID UID

mq_notify names the user who has written, in each view; each message arrives once.
"""
import ctypes
import os
import signal
import sys

import client
import native

mq, users = sys.argv[1], [0, *map(int, sys.argv[2:])]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
mqd = native.mq_open("q", os.O_RDWR | os.O_NONBLOCK)


def register(mqd=mqd):
    event = (ctypes.c_int * 16)(0, 0, signal.SIGUSR1, 0)
    assert native.libc.mq_notify(mqd, event) == 0


def as_user(uid, f):
    pid = os.fork()
    if pid == 0:
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        f()
        os._exit(0)
    return pid


def write(view, flags, *texts):
    fd = os.open(f"{mq}{view}/q", flags)
    for text in texts:
        assert os.write(fd, text) == len(text)
    os.close(fd)


def sent_by():
    return signal.sigwaitinfo([signal.SIGUSR1]).si_uid


for uid in users:
    for view in "", ":priority=3", ":lines", ":follow":
        for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK:
            register()
            assert os.waitpid(as_user(uid, lambda: write(view, flags, b"one\n")), 0)[1] == 0
            assert sent_by() == uid
            assert native.mq_receive(mqd).rstrip(b"\n") == b"one"
    # A line that is sent when its file is closed has no sender.
    register()
    assert os.waitpid(as_user(uid, lambda: write(
        ":lines,prefix", os.O_WRONLY, b"5 o", b"ne")), 0)[1] == 0
    assert sent_by() == 2**32 - 2
    assert os.waitpid(as_user(uid, lambda: write("", os.O_WRONLY, b"two")), 0)[1] == 0
    assert [native.mq_receive(mqd) for _ in range(2)] == [b"one", b"two"]
    assert native.mq_attr(mqd).curmsgs == 0

# Several lines are one message each, the last of them unfinished.
many = native.mq_open("many", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666, 4, 64)
register(many)
path = f"{mq}:lines/many"
lines = as_user(users[1], lambda: os.write(os.open(path, os.O_WRONLY), b"a\nb\nc\nd"))
assert os.waitpid(lines, 0)[1] == 0
assert sent_by() == users[1]
assert [native.mq_receive(many) for _ in range(4)] == [b"a", b"b", b"c", b"d"]

# A write that had to wait for room. Natively nobody is notified of it.
one = native.mq_open("one", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666, 1, 64)
native.mq_send(one, b"full")
register(one)
writer = as_user(users[1], lambda: os.write(os.open(f"{mq}/one", os.O_WRONLY), b"waited"))
client.until(client.waits, writer)
client.until(client.is_idle, int(os.environ["DAEMON"]))
assert native.mq_receive(one) == b"full"
assert sent_by() == 2**32 - 2
assert os.waitpid(writer, 0)[1] == 0
assert native.mq_receive(one) == b"waited"
