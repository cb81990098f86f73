# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_lazy_unmount.py DAEMON

Open files still work after a lazy unmount.
"""
import errno
import fcntl
import mmap
import os
import select
import subprocess
import sys

from client import fails, fork, is_idle, join, MNT, MQ, SHM, until, waits
import native

fd = os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
shared = mmap.mmap(fd, 4096)
q = os.open(f"{MQ}/q", os.O_RDWR)
dir = os.open(SHM, os.O_RDONLY)
waiter = fork(lambda: fails([errno.ENOTCONN], os.read, q, 10))
until(lambda: waits(waiter) and is_idle(sys.argv[1]))
subprocess.check_call(["umount", "-l", MNT])
join(waiter)
assert os.listdir(MNT) == []

shared[:7] = b"written"
os.pwrite(fd, b"and", 8)
assert open("/dev/shm/a", "rb").read(11) == b"written\0and"
os.ftruncate(fd, 8)
assert os.fstat(fd).st_size == os.stat("/dev/shm/a").st_size == 8
os.fchmod(fd, 0o640)
assert os.stat("/dev/shm/a").st_mode & 0o777 == 0o640
fcntl.flock(fd, fcntl.LOCK_EX)
fails([errno.EAGAIN], fcntl.flock, os.open("/dev/shm/a", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
# Names can still be looked up in an open directory.
assert os.listdir(dir) == ["a"]
os.close(os.open("b", os.O_WRONLY | os.O_CREAT, dir_fd=dir))
os.unlink("b", dir_fd=dir)

os.write(q, b"one")
mqd = native.mq_open("q", os.O_RDWR)
assert native.mq_receive(mqd) == b"one"
# A read that comes now waits as before.


def reader():
    assert os.read(q, 10) == b"two"


waiter = fork(reader)
until(waits, waiter)
native.mq_send(mqd, b"two")
join(waiter)
p = select.poll()
p.register(q, select.POLLIN)
# This open file has received a message, so the end of file comes first.
assert p.poll(0) and os.read(q, 10) == b""
assert not p.poll(0)
native.mq_send(mqd, b"three")
assert p.poll(20000)
assert os.read(q, 10) == b"three"

shared.close()
for last in dir, q, fd:
    assert os.listdir(f"/proc/{sys.argv[1]}/fd")
    os.close(last)
os.unlink("/dev/shm/a")
native.mq_unlink("q")
