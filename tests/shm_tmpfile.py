# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_tmpfile.py SHM

O_TMPFILE is an anonymous object that can be handed on.
"""
import ctypes
import errno
import os
import socket
import sys

fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR, 0o640)
os.ftruncate(fd, 4096)
assert oct(os.fstat(fd).st_mode) == "0o100640"
assert os.fstat(fd).st_nlink == 0
assert os.listdir(sys.argv[1]) == []
here, there = socket.socketpair(socket.AF_UNIX)
if os.fork() == 0:
    os.close(fd)
    _, fds, _, _ = socket.recv_fds(there, 1, 1)
    os.pwrite(fds[0], b"from the child", 100)
    os._exit(0)
socket.send_fds(here, [b"x"], [fd])
assert os.wait()[1] == 0
assert os.pread(fd, 14, 100) == b"from the child"
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = -100, 0x400, 0x1000


def link(fd, path):
    if libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD,
                   os.fsencode(path), AT_SYMLINK_FOLLOW) < 0:
        return ctypes.get_errno()


assert link(fd, sys.argv[1] + "/name") is None
assert os.fstat(fd).st_nlink == 1
with open("/dev/shm/name", "rb") as f:
    assert f.read()[100:114] == b"from the child"
assert libc.linkat(fd, b"", AT_FDCWD, os.fsencode(sys.argv[1] + "/other"),
                   AT_EMPTY_PATH) == 0
os.unlink(sys.argv[1] + "/name")
os.unlink(sys.argv[1] + "/other")
for path in sys.argv[1], "/dev/shm":
    fd = os.open(path, os.O_TMPFILE | os.O_EXCL | os.O_RDWR)
    assert link(fd, path + "/name") == errno.ENOENT
assert os.listdir("/dev/shm") == []
