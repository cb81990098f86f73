#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every allocation of the daemon fails once on each path that leads to it.

Whatever is done to the mount then succeeds, or fails with an errno, and can be
done again; nothing of what failed stays. allocations.c is what fails. Run by
allocations.bats.
"""
import errno
import fcntl
import mmap
import os
import select
import signal
import struct
import subprocess
import sys

from client import fails, MNT, MQ, SHM, until, waits
import native

USER = 1001
NATIVE = os.environ["NATIVE"]
EXCL = os.O_RDWR | os.O_CREAT | os.O_EXCL
FAULTS = os.environ["FAULTS"]
LOG = os.environ["LOG"]
with open(FAULTS, "wb") as f:
    f.truncate(1 << 20)
faults = mmap.mmap(os.open(FAULTS, os.O_RDWR), 1 << 20)


def arm(on):
    struct.pack_into("I", faults, 0, on)


def n_failed():
    return struct.unpack_from("I", faults, 4)[0]


# The daemon with failing allocations.

daemon = None
refusals = []


def log():
    with open(LOG) as f:
        return f.read()


def is_served():
    try:
        return (os.path.ismount(MNT) and os.stat(f"{MNT}/shm") and
                daemon.poll() is None)
    except OSError:
        return False


def start():
    """Starts it, as often as it takes."""
    global daemon
    while True:
        open(LOG, "w").close()
        with open(LOG, "a") as f:
            daemon = subprocess.Popen(
                [os.environ["IPCFS"], "-f", "-oallow_other", MNT],
                stdout=f, stderr=f)
        until(lambda: daemon.poll() is not None or is_served())
        if daemon.poll() is None:
            return
        assert daemon.returncode in (1, 2), (daemon.returncode, log())
        assert not os.path.ismount(MNT)
        refusals.append(log())


def stop():
    subprocess.run(["umount", MNT], check=True)
    assert daemon.wait() == 0, (daemon.returncode, log())


# The operations. Each may be repeated after a failure.

def natively_absent(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def made(path, f, *args):
    """Makes it, or nothing of it. Returns what f does."""
    natively_absent(path)
    try:
        return f(*args)
    except OSError:
        assert not os.path.exists(path)
        raise


def create_shm():
    fd = made("/dev/shm/a", os.open, f"{SHM}/a", EXCL, 0o640)
    os.write(fd, b"content")
    os.close(fd)


def mknod_shm():
    made("/dev/shm/b", os.mknod, f"{SHM}/b", 0o600)


def read_shm():
    with open(f"{SHM}/a", "rb") as f:
        assert f.read() == b"content"


def map_shm():
    with open(f"{SHM}/a", "r+b") as f, mmap.mmap(f.fileno(), 7) as m:
        m[:] = b"content"


def change_shm():
    os.truncate(f"{SHM}/a", 4096)
    os.truncate(f"{SHM}/a", 7)
    os.chmod(f"{SHM}/a", 0o644)
    os.chown(f"{SHM}/a", 0, 0)
    os.utime(f"{SHM}/a", (1, 2))
    os.access(f"{SHM}/a", os.W_OK)


def change_open_shm():
    with open(f"{SHM}/a", "r+b", buffering=0) as f:
        os.ftruncate(f.fileno(), 7)
        os.fchmod(f.fileno(), 0o644)
        os.posix_fallocate(f.fileno(), 0, 7)
        os.lseek(f.fileno(), 0, os.SEEK_DATA)
        os.fstat(f.fileno())
        os.fsync(f.fileno())
        f.write(b"content")


def copy_shm():
    with open(f"{SHM}/a", "rb") as a, open(f"{SHM}/b", "wb") as b:
        assert os.copy_file_range(a.fileno(), b.fileno(), 7) == 7


def xattr_shm():
    os.setxattr(f"{SHM}/a", "user.x", b"value")
    assert os.getxattr(f"{SHM}/a", "user.x") == b"value"
    assert os.listxattr(f"{SHM}/a") == ["user.x"]
    os.removexattr(f"{SHM}/a", "user.x")


def rename_shm():
    os.rename(f"{SHM}/a", f"{SHM}/c")
    os.rename("/dev/shm/c", "/dev/shm/a")


def unlink_shm():
    natively_absent("/dev/shm/c")
    os.link("/dev/shm/a", "/dev/shm/c")
    os.unlink(f"{SHM}/c")


def anonymous_shm():
    fd = os.open(SHM, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"x")
    os.close(fd)


def unlinked_shm():
    native.shm_open("d", os.O_RDWR | os.O_CREAT)
    fd = os.open(f"{SHM}/d", os.O_RDONLY)
    os.unlink("/dev/shm/d")
    try:
        os.fstat(fd)
    finally:
        os.close(fd)


def lists():
    assert set(os.listdir(MNT)) == {"shm", "mq", "sem"}
    os.listdir(SHM)
    for entry in os.scandir(f"{MNT}/mq:lines"):
        entry.stat()
    os.statvfs(SHM)
    os.statvfs(MQ)


def lock_shm():
    """Both kinds, also when they wait for a native one."""
    with open(f"{SHM}/a", "r+b") as f:
        for lock in fcntl.flock, fcntl.lockf:
            lock(f, fcntl.LOCK_EX)
            lock(f, fcntl.LOCK_UN)
    for lock in fcntl.flock, fcntl.lockf:
        with open("/dev/shm/a", "r+b") as theirs:
            lock(theirs, fcntl.LOCK_EX)
            pid = fork(lock_and_end, lock, theirs)
            until(lambda: waits(pid) or has_ended(pid))
        finish(pid)


def lock_and_end(lock, theirs):
    theirs.close()
    with open(f"{SHM}/a", "r+b") as f:
        lock(f, fcntl.LOCK_EX)


def create_mq():
    path = f"{MNT}/mq:maxmsg=2,msgsize=100/q"
    os.close(made(f"{NATIVE}/q", os.open, path, EXCL, 0o644))


def mknod_mq():
    made(f"{NATIVE}/r", os.mknod, f"{MNT}/mq:maxmsg=1,msgsize=10/r", 0o600)


# The queue is read natively.

def taken(mqd):
    found = []
    try:
        while True:
            found.append(native.mq_receive(mqd))
    except BlockingIOError:
        return found


def emptied():
    mqd = native.mq_open("q", os.O_RDWR | os.O_NONBLOCK)
    taken(mqd)
    return mqd


def messages(mqd):
    found = taken(mqd)
    os.close(mqd)
    return found


def send_mq():
    mqd = emptied()
    try:
        with open(f"{MNT}/mq:priority=3/q", "wb", buffering=0) as f:
            f.write(b"one")
            f.write(b"two")
    finally:
        found = messages(mqd)
    assert found == [b"one", b"two"]


def receive_mq():
    mqd = emptied()
    native.mq_send(mqd, b"one")
    native.mq_send(mqd, b"two")
    text = b""
    try:
        with open(f"{MQ}/q", "rb", buffering=0) as f:
            while part := f.read(2):
                text += part
    finally:
        found = messages(mqd)
        # The handle is closed, so its rest is lost. Messages that weren't read are there.
        assert b"onetwo".startswith(text), text
        assert found == [b"one", b"two"][(len(text) + 2) // 3:], (text, found)
    assert text == b"onetwo"


def create_sem():
    fd = made("/dev/shm/sem.s", os.open, f"{MNT}/sem/s", EXCL, 0o600)
    os.close(fd)


def change_sem():
    """What is refused has changed nothing."""
    sem = native.sem_open("s")
    expected = native.sem_value(sem)
    with open(f"{MNT}/sem/s", "wb", buffering=0) as f:
        for text, value in (b"5", 5), (b"+2", 7), (b"-4", 3):
            try:
                f.write(text)
                expected = value
            finally:
                assert native.sem_value(sem) == expected
    with open(f"{MNT}/sem/s", "rb") as f:
        assert f.read() == b"3\n"
    with open(f"{MNT}/sem:info/s", "rb") as f:
        assert b"value 3\n" in f.read()
    os.listdir(f"{MNT}/sem")


def wait_for_sem():
    sem = native.sem_open("s")
    while native.sem_value(sem) > 0:
        native.sem_wait(sem)
    pid = fork(take_and_end)
    until(lambda: waits(pid) or has_ended(pid))
    native.sem_post(sem)
    try:
        finish(pid)
    except OSError:
        assert native.sem_value(sem) == 1
        raise
    assert native.sem_value(sem) == 0


def take_and_end():
    with open(f"{MNT}/sem/s", "wb", buffering=0) as f:
        f.write(b"-1")


def receive_lines():
    mqd = emptied()
    native.mq_send(mqd, b"one", 5)
    native.mq_send(mqd, b"two", 4)
    try:
        with open(f"{MNT}/mq:lines,prefix,drain/q", "rb", buffering=0) as f:
            text = b""
            while part := f.read(5):
                text += part
    finally:
        found = messages(mqd)
    assert text == b"5 one\n4 two\n" and not found, (text, found)


def send_lines():
    """A write sends the bytes that it counts once, and no others."""
    mqd = emptied()
    written, found = b"", []
    try:
        fd = os.open(f"{MNT}/mq:lines/q", os.O_WRONLY)
        try:
            for part in b"one\nt", b"wo":
                while part:
                    n = os.write(fd, part)
                    written += part[:n]
                    part = part[n:]
        finally:
            os.close(fd)
        # Without memory for a wait, a thread that works on the queue may send the
        # rest after the close.
        until(lambda: found.extend(taken(mqd)) or len(found) == 2)
    finally:
        found += messages(mqd)
        assert found == written.split(b"\n")[:len(found)], (found, written)
        assert len(found) >= written.count(b"\n"), (found, written)
    assert found == [b"one", b"two"]


def wait_to_receive():
    mqd = emptied()
    pid = fork(receive_and_end)
    until(lambda: waits(pid) or has_ended(pid))
    native.mq_send(mqd, b"x")
    try:
        finish(pid)
    finally:
        found = messages(mqd)
    assert found == []


def receive_and_end():
    fd = os.open(f"{MQ}/q", os.O_RDONLY)
    assert os.read(fd, 100) == b"x"


def wait_to_send():
    mqd = emptied()
    native.mq_send(mqd, b"1")
    native.mq_send(mqd, b"2")
    pid = fork(send_and_end)
    until(lambda: waits(pid) or has_ended(pid))
    assert native.mq_receive(mqd) == b"1"
    try:
        finish(pid)
    finally:
        found = messages(mqd)
    assert found == [b"2", b"3"]


def send_and_end():
    fd = os.open(f"{MQ}/q", os.O_WRONLY)
    os.write(fd, b"3")


def interrupt():
    os.close(emptied())
    pid = fork(receive_and_end)
    until(lambda: waits(pid) or has_ended(pid))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def poll_mq():
    mqd = emptied()
    fd = os.open(f"{MQ}/q", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert polled(fd, 0) == 0
        native.mq_send(mqd, b"x")
        assert polled(fd, 20000) == select.POLLIN
    finally:
        os.close(fd)
        os.close(mqd)


def polled(fd, timeout):
    """The kernel makes POLLERR of an errno."""
    p = select.poll()
    p.register(fd, select.POLLIN)
    events = dict(p.poll(timeout)).get(fd, 0)
    if events & select.POLLERR:
        raise OSError(errno.ENOMEM, "POLLERR")
    return events


def attributes_mq():
    assert os.getxattr(f"{MQ}/q", "user.mq.maxmsg") == b"2"
    assert len(os.listxattr(f"{MQ}/q")) == 5
    os.chmod(f"{MQ}/q", 0o666)
    os.chown(f"{MQ}/q", 0, 0)
    os.utime(f"{MQ}/q", (1, 2))
    os.truncate(f"{MQ}/q", 0)
    with open(f"{MNT}/mq:info/q") as f:
        assert "maxmsg 2\n" in f.read()


def remove():
    """Also what is gone already: the reply may be what failed."""
    for path in f"{SHM}/a", f"{SHM}/b", f"{MQ}/q", f"{MQ}/r", f"{MNT}/sem/s":
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def as_user():
    """With a group, which the daemon looks up, and a share of what a user may."""
    finish(fork(be_user))


def be_user():
    os.setgroups([2000, 2001])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    fd = os.open(f"{SHM}/a", os.O_RDONLY)
    assert os.read(fd, 7) == b"content"
    fd = os.open(f"{MQ}/q", os.O_RDONLY | os.O_NONBLOCK)
    fails([errno.EAGAIN, errno.ENOMEM], os.read, fd, 10)
    path = f"{MNT}/mq:maxmsg=1,msgsize=10/theirs"
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    os.unlink(path)


# The exit status of a process is its errno.

def fork(f, *args):
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            f(*args)
            status = 0
        except OSError as e:
            status = e.errno
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return pid


def has_ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def finish(pid):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status not in (255, -signal.SIGSEGV), status
    if status:
        raise OSError(status, os.strerror(status))


SCENARIO = [
    create_shm, mknod_shm, read_shm, map_shm, change_shm, change_open_shm,
    copy_shm, xattr_shm, rename_shm, unlink_shm, anonymous_shm,
    unlinked_shm, lists, lock_shm, create_mq, mknod_mq, send_mq, receive_mq,
    receive_lines, send_lines, wait_to_receive, wait_to_send, interrupt,
    poll_mq, attributes_mq, create_sem, change_sem, wait_for_sem, as_user, remove,
]


def do(step):
    """Until it succeeds. Returns how often it has failed."""
    failures = 0
    while True:
        try:
            step()
            return failures
        except OSError as e:
            if e.errno not in (errno.ENOMEM, errno.EAGAIN):
                raise
            failures += 1
            assert failures < 300, step


arm(True)
start()
n_starting = n_failed()
# The number is larger if libfuse is built in: a shared libfuse isn't made to fail.
assert n_starting > 10
# Each failed start has said why.
assert all(refusals) and \
    "ipcfs: can't start: Cannot allocate memory\n" in refusals, refusals
errors, before = 0, None
while before != n_failed():
    before = n_failed()
    errors += sum(do(step) for step in SCENARIO)
arm(False)
assert sum(do(step) for step in SCENARIO) == 0
n_serving = n_failed() - n_starting
assert n_serving > 20
print(f"# {n_starting} failed at the start, {len(refusals)} of them ended it; "
      f"{n_serving} while serving, {errors} were seen there")
stop()
