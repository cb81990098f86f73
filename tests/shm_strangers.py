# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_strangers.py SHM WORK

What isn't an object is not opened, followed or changed by its name.
"""
import ctypes
import os
import stat
import sys
from errno import EEXIST, ENOENT

from native import outcome

shm, work = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
secret, missing = work + "/secret", work + "/missing"
fd = os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600)
os.write(fd, b"secret")
CREAT, TRUNC, EXCL = os.O_CREAT, os.O_TRUNC, os.O_EXCL


def exchange(path):
    if libc.renameat2(-100, b"%s/object" % shm.encode(), -100, path.encode(), 2):
        raise OSError(ctypes.get_errno(), path)


kinds = {
    "fifo": os.mkfifo,
    "directory": os.mkdir,
    "link": lambda path: os.symlink(secret, path),
    "dangling link": lambda path: os.symlink(missing, path),
    "device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o666),
}
operations = [
    (ENOENT, os.open, flags) for flags in (
        os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | CREAT,
        os.O_WRONLY | CREAT | TRUNC, os.O_RDWR | CREAT, os.O_RDWR | TRUNC)
] + [
    (EEXIST, os.open, os.O_RDWR | CREAT | EXCL),
    (EEXIST, os.mknod, 0o666),
    (ENOENT, os.stat),
    (ENOENT, os.chmod, 0o777),
    (ENOENT, os.chown, 1, 1),
    (ENOENT, os.utime),
    (ENOENT, os.truncate, 0),
    (ENOENT, os.setxattr, "user.a", b"x"),
    (ENOENT, os.unlink),
    (ENOENT, os.rename, shm + "/object2"),
    (ENOENT, exchange),
    (EEXIST, lambda path: os.link(shm + "/object", path)),
    (ENOENT, lambda path: os.link(path, shm + "/object2")),
]
os.close(os.open(shm + "/object", CREAT))
for kind, make in kinds.items():
    native = "/dev/shm/" + kind
    make(native)
    before = os.lstat(native), os.stat(secret)
    for want, call, *args in operations:
        got = outcome(call, shm + "/" + kind, *args)
        assert got == want, (kind, call, args, os.strerror(got))
    assert (os.lstat(native), os.stat(secret)) == before
    assert open(secret).read() == "secret"
    assert not os.path.exists(missing)
    assert sorted(os.listdir("/dev/shm")) == sorted([kind, "object"])
    assert os.listdir(shm) == ["object"]
    os.rmdir(native) if kind == "directory" else os.unlink(native)
os.unlink(shm + "/object")
