# SPDX-License-Identifier: BSD-3-Clause
"""Whether each kind of object is used, when it is opened and mapped in each way."""
import mmap
import os

import native
from client import MNT, fork, join, until

NATIVE = os.environ["NATIVE"]
# By leases the daemon finds out whether an object is used. Since Linux 7.0 queues have
# none.
QUEUES_HAVE_LEASES = int(os.uname().release.split(".")[0]) < 7


def used(kind, name):
    with open(f"{MNT}/{kind}:info/{name}") as f:
        [line] = [line for line in f if line.startswith("used ")]
    return line.split()[1]


def is_used(path, kind, flags):
    """An open file, one that a child has alone, and one without rights."""
    name = path[-1]
    fd = os.open(path, flags)
    assert used(kind, name) == "yes", path
    read, write = os.pipe()
    child = fork(os.read, read, 1)
    os.close(fd)
    assert used(kind, name) == "yes", path
    os.close(write)
    os.write(os.open(f"/proc/{child}/fd/{write}", os.O_WRONLY), b"x")
    join(child)
    # The kernel reports the last close(2) to the daemon a moment later.
    until(lambda: used(kind, name) == "no")
    fd = os.open(path, os.O_PATH)
    assert used(kind, name) == "no", path
    os.close(fd)


for path in "/dev/shm/a", f"{MNT}/mq/q", f"{MNT}/sem/s":
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
os.truncate("/dev/shm/a", 4096)
for kind, paths in (("shm", ("/dev/shm/a", f"{MNT}/shm/a")),
                    ("mq", (f"{NATIVE}/q", f"{MNT}/mq/q", f"{MNT}/mq:prefix/q")),
                    ("sem", ("/dev/shm/sem.s", f"{MNT}/sem/s"))):
    for path in paths:
        if kind == "mq" and not QUEUES_HAVE_LEASES:
            assert used(kind, "q") == "unknown"
            continue
        for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR:
            is_used(path, kind, flags)
mappable = ["/dev/shm/a"]
if "nopassthrough" not in os.environ["IPCFS_OPTIONS"]:
    mappable.append(f"{MNT}/shm/a")
for path in mappable:
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, 4096)
    os.close(fd)
    assert used("shm", "a") == "yes", path
    mapping.close()
    until(lambda: used("shm", "a") == "no")
sem = native.sem_open("s", 0)
assert used("sem", "s") == "yes"
native.check(native.libc.sem_close(sem))
assert used("sem", "s") == "no"
# Removed, but still open.
fd = os.open(f"{MNT}/shm:info/a", os.O_RDONLY)
os.unlink("/dev/shm/a")
assert b"used no\n" in os.read(fd, 1000)
for path in f"{MNT}/mq/q", f"{MNT}/sem/s":
    os.unlink(path)
