# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_stat.py FILE NATIVE_FILE

After every kind of change stat is that of the native.
"""
import os
import sys

mount, native = sys.argv[1:]
fd = os.open(mount, os.O_RDWR | os.O_CREAT, 0o644)
append = os.open(mount, os.O_WRONLY | os.O_APPEND)
natively = os.open(native, os.O_RDWR)
FIELDS = ("st_mode st_ino st_nlink st_uid st_gid st_size st_blocks "
          "st_blksize st_atime_ns st_mtime_ns st_ctime_ns").split()


def same(what):
    a, b, c = os.stat(mount), os.fstat(fd), os.stat(native)
    for f in FIELDS:
        x, y, z = (getattr(s, f) for s in (a, b, c))
        assert x == y == z, (what, f, x, y, z)


for what, change in [
    ("write", lambda: os.write(fd, b"x" * 5000)),
    ("pwrite", lambda: os.pwrite(fd, b"x" * 5000, 100000)),
    ("append", lambda: os.write(append, b"abc")),
    ("truncate", lambda: os.truncate(mount, 7)),
    ("ftruncate", lambda: os.ftruncate(fd, 70000)),
    ("fallocate", lambda: os.posix_fallocate(fd, 0, 100000)),
    ("native write", lambda: os.pwrite(natively, b"y", 1 << 20)),
    ("append after it", lambda: os.write(append, b"abc")),
    ("native truncate", lambda: os.ftruncate(natively, 3)),
    ("write again", lambda: os.pwrite(fd, b"z", 9)),
    ("read", lambda: os.pread(fd, 10, 0)),
    ("chmod", lambda: os.chmod(mount, 0o600)),
    ("native chmod", lambda: os.chmod(native, 0o640)),
    ("utime", lambda: os.utime(mount, ns=(1234567890, 987654321))),
    ("utime now", lambda: os.utime(mount)),
]:
    change()
    same(what)
