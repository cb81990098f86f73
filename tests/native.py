#!/usr/bin/env -S python3 -IS
# SPDX-License-Identifier: BSD-3-Clause
"""POSIX IPC without the mount, through the C library, for tests.

native.py create NAME [MAXMSG MSGSIZE [MODE]]   mq_open, O_CREAT | O_EXCL
native.py send NAME TEXT [PRIORITY]             mq_send, not blocking
native.py receive NAME                          mq_receive, not blocking
native.py receive-wait NAME                     mq_receive
native.py unlink NAME                           mq_unlink
native.py shm-create NAME TEXT [MODE]           shm_open, O_CREAT | O_EXCL
native.py shm-read NAME                         shm_open
native.py shm-unlink NAME                       shm_unlink
native.py sem-create NAME VALUE [MODE]          sem_open, O_CREAT | O_EXCL
native.py sem-open NAME                         sem_open
native.py sem-post NAME [TIMES]                 sem_post
native.py sem-wait NAME [TIMES]                 sem_wait
native.py sem-value NAME                        sem_getvalue
native.py sem-unlink NAME                       sem_unlink

Names are without the slash. A failed call prints its errno's name; status 1.
"""
import ctypes
import errno
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p


class Attr(ctypes.Structure):
    _fields_ = [(n, ctypes.c_long) for n in
                ("flags", "maxmsg", "msgsize", "curmsgs")] + [
                    ("reserved", ctypes.c_long * 4)]


def check(result):
    if result < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return result


def outcome(f, *args):
    """The errno with which f fails, or 0."""
    try:
        f(*args)
        return 0
    except OSError as e:
        return e.errno


def slash(name):
    return b"/" + os.fsencode(name)


def mq_open(name, flags, mode=0o600, maxmsg=None, msgsize=None):
    attr = None
    if maxmsg:
        attr = ctypes.byref(Attr(maxmsg=maxmsg, msgsize=msgsize))
    old = os.umask(0)
    try:
        return check(libc.mq_open(slash(name), flags,
                                  ctypes.c_uint(mode), attr))
    finally:
        os.umask(old)


def mq_attr(mqd):
    attr = Attr()
    check(libc.mq_getattr(mqd, ctypes.byref(attr)))
    return attr


def mq_send(mqd, data, priority=0):
    check(libc.mq_send(mqd, data, ctypes.c_size_t(len(data)),
                       ctypes.c_uint(priority)))


def mq_receive(mqd):
    size = mq_attr(mqd).msgsize
    buf = ctypes.create_string_buffer(size)
    n = libc.mq_receive(mqd, buf, ctypes.c_size_t(size), None)
    return buf.raw[:check(n)]


def mq_unlink(name):
    check(libc.mq_unlink(slash(name)))


def shm_open(name, flags, mode=0o600):
    old = os.umask(0)
    try:
        return check(libc.shm_open(slash(name), flags, ctypes.c_uint(mode)))
    finally:
        os.umask(old)


def shm_unlink(name):
    check(libc.shm_unlink(slash(name)))


def sem_open(name, flags=0, mode=0o600, value=0):
    old = os.umask(0)
    try:
        sem = libc.sem_open(slash(name), flags, ctypes.c_uint(mode),
                            ctypes.c_uint(value))
    finally:
        os.umask(old)
    check(0 if sem else -1)
    return ctypes.c_void_p(sem)


def sem_post(sem):
    check(libc.sem_post(sem))


def sem_wait(sem):
    check(libc.sem_wait(sem))


def sem_value(sem):
    value = ctypes.c_int()
    check(libc.sem_getvalue(sem, ctypes.byref(value)))
    return value.value


def sem_unlink(name):
    check(libc.sem_unlink(slash(name)))


def main(command, name, *args):
    creat = os.O_CREAT | os.O_EXCL | os.O_RDWR
    if command == "create":
        size = [int(a) for a in args[:2]] or [None, None]
        mode = int(args[2], 8) if len(args) > 2 else 0o600
        mq_open(name, creat, mode, *size)
    elif command == "send":
        mqd = mq_open(name, os.O_WRONLY | os.O_NONBLOCK)
        mq_send(mqd, os.fsencode(args[0]), int(args[1]) if args[1:] else 0)
    elif command in ("receive", "receive-wait"):
        wait = 0 if command == "receive-wait" else os.O_NONBLOCK
        data = mq_receive(mq_open(name, os.O_RDONLY | wait))
        sys.stdout.buffer.write(data)
    elif command == "unlink":
        mq_unlink(name)
    elif command == "shm-create":
        mode = int(args[1], 8) if args[1:] else 0o600
        os.write(shm_open(name, creat, mode), os.fsencode(args[0]))
    elif command == "shm-read":
        fd = shm_open(name, os.O_RDONLY)
        sys.stdout.buffer.write(os.read(fd, 1 << 20))
    elif command == "shm-unlink":
        shm_unlink(name)
    elif command == "sem-create":
        mode = int(args[1], 8) if args[1:] else 0o600
        sem_open(name, os.O_CREAT | os.O_EXCL, mode, int(args[0]))
    elif command == "sem-open":
        sem_open(name)
    elif command in ("sem-post", "sem-wait"):
        sem, call = sem_open(name), sem_post if command == "sem-post" else sem_wait
        for _ in range(int(args[0]) if args else 1):
            call(sem)
    elif command == "sem-value":
        print(sem_value(sem_open(name)))
    elif command == "sem-unlink":
        sem_unlink(name)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as e:
        print(errno.errorcode[e.errno])
        sys.exit(1)
