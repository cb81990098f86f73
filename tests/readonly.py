# SPDX-License-Identifier: BSD-3-Clause
"""Usage: readonly.py UID MNT IPCFS_OPTIONS

All that a user can try on a mount that is read-only.
"""
import ctypes
import fcntl
import mmap
import os
import select
import struct
import sys
from errno import EACCES, EBADF, EEXIST, EINVAL, ENODEV, EROFS

from native import outcome

user, mnt, options = int(sys.argv[1]), *sys.argv[2:]
passthrough = "nopassthrough" not in options
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
shm, mq, sem = mnt + "/shm", mnt + "/mq", mnt + "/sem"
a, b, q, new = shm + "/object", shm + "/other", mq + "/queue", "/new"
s = sem + "/semaphore"


def fails(error, call, *args):
    got = outcome(call, *args)
    assert got == error, (call, args, os.strerror(got))


def c(name):
    def call(*args):
        r = getattr(libc, name)(*args)
        if r < 0:
            raise OSError(ctypes.get_errno(), name)
    return call


def record(kind):
    return struct.pack("hhqqi4x", kind, 0, 0, 0, 0)


# Opens for writing or creating.
for path in a, q, s, mq + ":lines/queue", mq + ":prefix/queue":
    for flags in os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_APPEND, 3:
        for more in 0, os.O_TRUNC, os.O_CREAT, os.O_NONBLOCK:
            fails(EROFS, os.open, path, flags | more)
    fails(EROFS, os.open, path, os.O_RDONLY | os.O_TRUNC)
    fails(EEXIST, os.open, path, os.O_RDONLY | os.O_CREAT | os.O_EXCL)
for d in mnt, shm, mq, sem:
    for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
        fails(EROFS, os.open, d + new, flags | os.O_CREAT)
        fails(EROFS, os.open, d + new, flags | os.O_CREAT | os.O_EXCL)
    for flags in os.O_WRONLY, os.O_RDWR:
        fails(EROFS, os.open, d, flags | os.O_TMPFILE)
    fails(EROFS, os.mkdir, d + new)
    fails(EROFS, os.mknod, d + new, 0o666)
    fails(EROFS, os.mkfifo, d + new)
    fails(EROFS, os.symlink, "object", d + new)
    fails(EROFS, os.chmod, d, 0o777)
    fails(EROFS, os.utime, d)
for d in shm, mq, sem:
    fails(EROFS, os.rmdir, d)
    fails(EROFS, os.rename, d, d + "2")
# Changes by name.
for path in a, q, s:
    fails(EROFS, os.link, path, path + "2")
    fails(EROFS, os.unlink, path)
    fails(EROFS, os.rename, path, path + "2")
    fails(EROFS, os.chmod, path, 0o600)
    fails(EROFS, os.chown, path, user, user)
    fails(EROFS, os.utime, path)
    fails(EROFS, os.utime, path, (1, 2))
    fails(EROFS, os.truncate, path, 0)
    fails(EROFS, os.truncate, path, 100)
    fails(EROFS, os.setxattr, path, "user.a", b"x")
    fails(EROFS, os.setxattr, path, "user.b", b"x")
    fails(EROFS, os.removexattr, path, "user.a")
    assert not os.access(path, os.W_OK) and os.access(path, os.R_OK)
fails(EROFS, os.rename, a, b)
fails(EROFS, c("renameat2"), -100, a.encode(), -100, b.encode(), 2)
# Reads that consume, and waits.
for path in q, mq + ":drain/queue", mq + ":follow/queue", mq + ":lines/queue":
    fails(EROFS, os.open, path, os.O_RDONLY)
    fails(EROFS, os.open, path, os.O_RDONLY | os.O_NONBLOCK)

# Changes through a descriptor, and locks.
fd = os.open(a, os.O_RDONLY | os.O_CREAT)
other = os.open(b, os.O_RDONLY)
fails(EBADF, os.write, fd, b"x")
fails(EBADF, os.pwrite, fd, b"x", 3)
fails(EINVAL, os.ftruncate, fd, 0)
fails(EBADF, os.posix_fallocate, fd, 0, 100)
fails(EBADF, c("fallocate"), fd, 3, ctypes.c_long(0), ctypes.c_long(4))
fails(EBADF, os.copy_file_range, other, fd, 5)
fails(EBADF, os.sendfile, fd, other, 0, 5)
fails(EROFS, os.fchmod, fd, 0o600)
fails(EROFS, os.fchown, fd, user, user)
fails(EROFS, os.utime, fd)
fails(EROFS, os.setxattr, fd, "user.a", b"x")
fails(EROFS, os.removexattr, fd, "user.a")
for operation in fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN:
    fails(EROFS, fcntl.flock, fd, operation)
    fails(EROFS, fcntl.flock, fd, operation | fcntl.LOCK_NB)
F_OFD_SETLK, F_OFD_SETLKW = 37, 38
for command in fcntl.F_SETLK, fcntl.F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW:
    fails(EROFS, fcntl.fcntl, fd, command, record(fcntl.F_RDLCK))
    fails(EBADF, fcntl.fcntl, fd, command, record(fcntl.F_WRLCK))
fails(EACCES, mmap.mmap, fd, 7, mmap.MAP_SHARED)
def shared(): return mmap.mmap(fd, 7, mmap.MAP_SHARED, mmap.PROT_READ)


if passthrough:
    m = shared()
    assert m[:] == b"content"
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(None, ctypes.c_long(7), mmap.PROT_READ,
                        mmap.MAP_SHARED, fd, ctypes.c_long(0))
    fails(EACCES, c("mprotect"), ctypes.c_void_p(address),
          ctypes.c_long(7), mmap.PROT_READ | mmap.PROT_WRITE)
else:
    fails(ENODEV, shared)

# Reading works.
private = mmap.mmap(fd, 7, mmap.MAP_PRIVATE)
private[0:1] = b"C"
assert os.read(fd, 100) == b"content" and os.pread(fd, 3, 4) == b"ent"
assert os.lseek(fd, 0, os.SEEK_HOLE) >= 7
assert fcntl.fcntl(fd, fcntl.F_GETLK, record(fcntl.F_RDLCK))[:2] == \
    record(fcntl.F_UNLCK)[:2]
assert os.getxattr(a, "user.a") == b"here"
assert os.getxattr(q, "user.mq.curmsgs") == b"1"
assert os.listxattr(q)
assert os.stat(q).st_size == 7 and os.stat(a).st_size == 7
assert os.listdir(mq) == ["queue"]
assert sorted(os.listdir(shm)) == ["object", "other"]
assert os.listdir(sem) == ["semaphore"] and open(s, "rb").read() == b"3\n"
assert b"value 3\n" in open(sem + ":info/semaphore", "rb").read()
assert b"curmsgs 1\n" in open(mq + ":info/queue", "rb").read()
assert select.select([fd], [], [], 0)[0] == [fd]
assert os.statvfs(mnt).f_flag & os.ST_RDONLY
