# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_race.py SHM SECRET CHANGE PART

Uses a name while CHANGE runs natively; see race in shm.bats.
"""
import errno
import os
import select
import stat
import sys

shm, secret, change, part = sys.argv[1:]
path = shm + "/n"
N = int(os.environ.get("ROUNDS", 100000)) // int(part)


def put(name):
    fd = os.open("/dev/shm/" + name, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b"%d" % os.fstat(fd).st_ino)
    os.close(fd)


asks, answers = os.pipe(), os.pipe()
stood = b"other"


def stand_still(there):
    """If asked to, until the next word; with an object and without in turn."""
    global stood
    if change == "other" and there == stood:
        return
    if select.select([asks[0]], [], [], 0)[0]:
        os.read(asks[0], 1)
        os.write(answers[1], there)
        os.read(asks[0], 1)
        stood = there


others = [
    os.mkfifo,
    lambda path: os.symlink(secret, path),
    lambda path: os.mknod(path, stat.S_IFSOCK | 0o666),
    lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
]
put("n")
secrets = os.stat(secret)
pid = os.fork()
if pid == 0:
    os.close(asks[1])
    while os.getppid() != 1:
        put("new")
        if change == "unlink":
            os.unlink("/dev/shm/n")
        os.rename("/dev/shm/new", "/dev/shm/n")
        stand_still(b"object")
        if change == "other":
            others.append(others.pop(0))
            others[0]("/dev/shm/new")
            os.rename("/dev/shm/new", "/dev/shm/n")
            stand_still(b"other")
os.close(answers[1])
bad, good, gone = [], 0, 0
for i in range(N):
    before, asked = good, i % 101 == 0
    if asked:
        os.write(asks[1], b"?")
        there = os.read(answers[0], 10)
    try:
        if i % 4 == 3:
            os.chmod(path, 0o640) if i % 8 == 7 else os.stat(path)
        else:
            fd = os.open(path, os.O_RDWR if i % 2 else os.O_RDONLY)
            data = os.read(fd, 100)
            st = os.fstat(fd)
            os.close(fd)
            if int(data) != st.st_ino:
                bad.append((data, st.st_ino))
        good += 1
    except OSError as e:
        if e.errno != errno.ENOENT or change == "replace":
            bad.append(errno.errorcode[e.errno])
        gone += 1
    if asked:
        if (good > before) != (there == b"object"):
            bad.append(there)
        os.write(asks[1], b"!")
os.kill(pid, 9)
os.waitpid(pid, 0)
assert not bad, (len(bad), bad[:5])
assert os.stat(secret) == secrets
print(f"{good} found, {gone} gone")
