# SPDX-License-Identifier: BSD-3-Clause
"""Usage: sem_rights.py rights|create

What a user may do with semaphores through the mount, and natively.
"""
import errno
import os
import sys

import native
from client import MNT, as_user, join
from native import outcome

USER, OTHER = 65534, 4001
CREATE = os.O_CREAT | os.O_RDWR
SEM = MNT + "/sem"


def compare(name):
    path = f"{SEM}/{name}"
    may = outcome(native.sem_open, name)
    for flags in os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, CREATE:
        assert outcome(os.open, path, flags) == may, (name, flags, may)
    assert outcome(native.sem_open, name, os.O_CREAT) == may
    may_read = outcome(os.open, f"/dev/shm/sem.{name}", os.O_RDONLY)
    assert outcome(os.open, path, os.O_RDONLY) == may_read, name
    assert os.access(path, os.R_OK) == (may_read == 0), name
    assert os.access(path, os.W_OK) == os.access(f"/dev/shm/sem.{name}", os.W_OK), name
    assert outcome(os.open, f"{MNT}/sem:info/{name}", os.O_RDONLY) == may_read, name
    if may == 0:
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, b"+1")
        os.write(fd, b"-1")
    for flags in os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_EXCL | os.O_RDWR:
        assert outcome(os.open, path, flags) == errno.EEXIST


def rights():
    names = []
    for owner in 0, USER, OTHER:
        for group in 0, USER:
            for mode in {bits << shift for bits in range(8) for shift in (0, 3, 6)}:
                name = f"{owner}-{group}-{mode:03o}"
                native.sem_open(name, os.O_CREAT | os.O_EXCL, mode, 1)
                os.chown(f"/dev/shm/sem.{name}", owner, group)
                names.append(name)

    def all_of_them():
        for name in names:
            compare(name)

    join(as_user(USER, all_of_them))
    # Root may do everything.
    all_of_them()


def create():
    def make():
        for umask in 0, 0o027, 0o777:
            for mode in 0, 0o600, 0o666, 0o4777:
                os.umask(umask)
                assert outcome(native.libc.sem_unlink, b"/native") == 0
                os.close(os.open("/dev/shm/native", CREATE | os.O_EXCL, mode))
                fd = os.open(f"{SEM}/made", CREATE | os.O_EXCL, mode)
                os.write(fd, b"3")
                ours, theirs = os.fstat(fd), os.stat("/dev/shm/native")
                assert ours.st_mode & 0o777 == theirs.st_mode & 0o777, (umask, mode)
                assert (ours.st_uid, ours.st_gid) == (USER, USER)
                assert os.stat("/dev/shm/sem.made").st_ino == ours.st_ino
                os.close(fd)
                os.unlink(f"{SEM}/made")
                os.unlink("/dev/shm/native")

    join(as_user(USER, make))


{"rights": rights, "create": create}[sys.argv[1]]()
