# SPDX-License-Identifier: BSD-3-Clause
"""Usage: abuse_inode_lock.py DAEMON SILENT UID

A user's process holds an inode's lock for ever; other users are served.
"""
import errno
import os
import signal
import sys

from client import MNT, MQ, SHM, as_user, fails, join, until, wait_channels

daemon, silent, user = map(int, sys.argv[1:])
refused = errno.EAGAIN, errno.ENOMEM


def has_ended(pid):
    return open(f"/proc/{pid}/stat").read().split()[2] == "Z"


def n_held_up():
    return wait_channels(daemon).count("do_truncate")


def all_wait():
    """Whether each thread is held up, or waits for a request."""
    return all(c in ("do_truncate", "fuse_dev_do_read")
               for c in wait_channels(daemon))


def is_refused():
    """Whether a request of the user is refused beside nothing but those held up."""
    until(all_wait)
    pid = as_user(user, lambda: os._exit(not os.path.exists(f"{SHM}/covered")))
    return os.waitpid(pid, 0)[1] != 0


def open_truncating():
    try:
        os.close(os.open(f"{SHM}/a", os.O_WRONLY | os.O_TRUNC))
    except OSError as e:
        assert e.errno in refused, e


def use_all():
    path = f"{SHM}/c"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"x")
    os.close(fd)
    os.chmod(path, 0o644)
    os.truncate(path, 10)
    os.listdir(SHM)
    os.unlink(path)
    path = f"{MNT}/mq:maxmsg=1,msgsize=10/c"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.write(fd, b"x")
    assert os.read(fd, 10) == b"x"
    os.close(fd)
    os.listdir(MQ)
    os.unlink(path)


open(f"{SHM}/theirs", "w").close()
theirs = os.open(f"{SHM}/theirs", os.O_PATH)
try:
    pids = [as_user(user, open_truncating) for _ in range(200)]
    until(lambda: n_held_up() == 200)
    while not is_refused():
        n = n_held_up()
        pids.append(as_user(user, open_truncating))
        until(lambda: n_held_up() > n or has_ended(pids[-1]))
    # The user may hold up half of the threads.
    assert 200 < n_held_up() < 300, n_held_up()
    # A refused request ends, and the kernel releases its locks.
    for path in f"{SHM}/new", f"{MQ}/new", f"/proc/self/fd/{theirs}":
        join(as_user(user, fails, refused, os.open, path,
                     os.O_RDWR | os.O_CREAT))
    join(as_user(user, fails, [errno.EAGAIN], os.chmod,
                 f"/proc/self/fd/{theirs}", 0))
    # A refused unlink doesn't detach a mount on the name.
    join(as_user(user, fails, [errno.ENOMEM], os.stat, f"{SHM}/covered"))
    for other in user + 1, user + 2, 0:
        join(as_user(other, use_all))
    os.chmod(f"{SHM}/theirs", 0o600)
finally:
    os.kill(silent, signal.SIGCONT)
join(*pids)
join(as_user(user, use_all))
