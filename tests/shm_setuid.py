# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_setuid.py FILE

The same changes clear setuid and setgid natively and on the mount.
"""
import os
import stat
import sys

path = sys.argv[1]


def after(what, *args):
    os.close(os.open(path, os.O_RDWR | os.O_CREAT))
    os.truncate(path, 10)
    os.chown(path, 0, 0)
    os.chmod(path, 0o6777)
    fd = os.open(path, os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        what(path, fd)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.unlink(path)
    os.close(fd)
    return mode


assert after(lambda p, fd: os.write(fd, b"x")) == 0o777
assert after(lambda p, fd: os.close(os.open(p, os.O_WRONLY))) == 0o6777
assert after(lambda p, fd: os.truncate(p, 5)) == 0o777
assert after(lambda p, fd: os.ftruncate(fd, 5)) == 0o777
assert after(lambda p, fd: os.open(p, os.O_WRONLY | os.O_TRUNC)) == 0o777
os.close(os.open(path, os.O_RDWR | os.O_CREAT))
os.chmod(path, 0o6777)
os.chown(path, 1, 1)
assert stat.S_IMODE(os.stat(path).st_mode) == 0o777
os.unlink(path)
