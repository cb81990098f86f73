# SPDX-License-Identifier: BSD-3-Clause
"""Usage: faults_descriptors.py DAEMON

The daemon has no descriptor left: open files still work.
"""
import errno
import fcntl
import mmap
import os
import select
import sys
import threading

from client import fails, fork, is_idle, join, MQ, SHM, until, waits
import native

DAEMON = int(sys.argv[1])


def write(name, text):
    with open(f"{SHM}/{name}", "w") as f:
        f.write(text)


for name in "ab":
    write(name, name)
a = os.open(f"{SHM}/a", os.O_RDWR)
q = os.open(f"{MQ}/q", os.O_RDWR)
mqd = native.mq_open("q", os.O_RDWR)
reader = fork(lambda: os.read(q, 10))
until(waits, reader)

held = []


def open_alone(path, flags):
    """Opens when no other request has a descriptor for a moment."""
    until(is_idle, DAEMON)
    return os.open(path, flags)


def hold(path, flags):
    while True:
        held.append(open_alone(path, flags))


def hold_all():
    fails([errno.EMFILE], hold, f"{SHM}/b", os.O_RDONLY)
    fails([errno.EMFILE], hold, f"{MQ}/q", os.O_RDONLY)
    fails([errno.EMFILE], hold, SHM, os.O_WRONLY | os.O_TMPFILE)
    return len(held)


def release_all():
    while held:
        os.close(held.pop())


shm = os.open(SHM, os.O_RDONLY)
n = hold_all()
assert n > 50, n
for dir in SHM, MQ:
    fails([errno.EMFILE], open_alone, f"{dir}/new", os.O_WRONLY | os.O_CREAT)
b = os.stat(f"{SHM}/b")
fails([errno.EMFILE], open_alone, f"{SHM}/b", os.O_WRONLY | os.O_TRUNC)

# Open files.
os.pwrite(a, b"written", 0)
os.ftruncate(a, 5)
assert os.fstat(a).st_size == 5
assert os.pread(a, 10, 0) == b"writt"
assert mmap.mmap(a, 5)[:] == b"writt"
os.fchmod(a, 0o600)
fcntl.flock(a, fcntl.LOCK_EX)
fcntl.flock(a, fcntl.LOCK_UN)
native.mq_send(mqd, b"waited")
join(reader)
for i in range(3):
    os.write(q, b"%d" % i)
    assert native.mq_receive(mqd) == b"%d" % i
p = select.poll()
p.register(q, select.POLLIN)
t = threading.Thread(target=lambda: native.mq_send(mqd, b"poll"))
t.start()
assert p.poll(20000)
t.join()
assert os.read(q, 10) == b"poll"
# Operations that need a descriptor only for a moment.
assert sorted(os.listdir(shm)) == ["a", "b"]
assert os.stat(f"{SHM}/b") == b and os.stat(f"{MQ}/q").st_size == 0
os.rename(f"{SHM}/b", f"{SHM}/c")
os.truncate(f"{SHM}/c", 100)
os.rename(f"{SHM}/c", f"{SHM}/b")

# As many as before. The kernel reports a close(2) a moment later.


def recovered():
    release_all()
    return hold_all() == n


until(recovered)
release_all()
for name in f"{SHM}/a", f"{SHM}/b", f"{MQ}/q":
    os.unlink(name)
