# SPDX-License-Identifier: BSD-3-Clause
"""Usage: nodes.py UID LIMIT queue|object

As a user, keeps nodes in use by O_PATH until a lookup is refused: nodes of one
queue, or of objects that are removed without the mount. Asserts that LIMIT of
them can be had and no more, that other users don't notice, and that all are
free again in the end.
"""
import errno
import os
import resource
import struct
import sys

from client import MQ, SHM, fork, join, until

USER, LIMIT, KIND = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def use(user):
    os.setresuid(user, user, user)
    os.listdir(SHM)
    os.stat(f"{MQ}/q")
    os.stat(f"{SHM}/there")


def is_free():
    """Whether the user can look names up. Removed objects take one try to forget."""
    pid = fork(use, USER)
    return os.waitpid(pid, 0)[1] == 0


def hold_queue(_):
    os.open(f"{MQ}/q", os.O_PATH)


def hold_object(n):
    name = f"{os.getpid()}.{n}"
    os.close(os.open(f"/dev/shm/{name}", os.O_RDWR | os.O_CREAT))
    try:
        os.open(f"{SHM}/{name}", os.O_PATH)
    finally:
        os.unlink(f"/dev/shm/{name}")


def hold(most, ready, ends):
    os.close(ends[1])
    os.setresuid(USER, USER, USER)
    one_more = hold_queue if KIND == "queue" else hold_object
    n, refused = 0, False
    while n < most and not refused:
        try:
            one_more(n)
            n += 1
        except OSError as e:
            assert e.errno == errno.ENOMEM, e
            refused = True
    os.write(ready[1], struct.pack("i?", n, refused))
    os.read(ends[0], 1)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(most, 70000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ready, ends = os.pipe(), os.pipe()
    pids, total, refused = [], 0, False
    while not refused and total < 2 * LIMIT:
        pids.append(fork(hold, most - 10, ready, ends))
        n, refused = struct.unpack("i?", os.read(ready[0], 5))
        total += n
    # Some nodes are those of shm, mq and their names. An object that exists isn't
    # charged.
    assert LIMIT - 1000 < total <= LIMIT + 10, total
    join(fork(use, USER + 1), fork(use, 0))
    # A refused lookup leaves no charge.
    pids.append(fork(hold, most - 10, ready, ends))
    n, refused = struct.unpack("i?", os.read(ready[0], 5))
    assert n < 10 and refused, n
    os.close(ends[1])
    join(*pids)
    until(is_free)


main()
