# SPDX-License-Identifier: BSD-3-Clause
"""Usage: shm_copy.py SHM

copy_file_range copies what the objects are now, to any size.
"""
import errno
import os
import sys

shm = sys.argv[1]
a = os.open(shm + "/a", os.O_RDWR | os.O_CREAT)
b = os.open(shm + "/b", os.O_RDWR | os.O_CREAT)
data = os.urandom(3000000)
os.write(a, data)


def copy(fd, to, n, *offsets):
    done = 0
    while done < n:
        m = os.copy_file_range(fd, to, n - done, *(o + done for o in offsets))
        if m == 0:
            break
        done += m
    return done


assert copy(a, b, 5000000, 100, 50) == 2999900
with open("/dev/shm/b", "rb") as f:
    assert f.read() == bytes(50) + data[100:]
native = os.open("/dev/shm/b", os.O_WRONLY | os.O_APPEND)
os.write(native, b"more")
assert os.fstat(b).st_size == 2999954
assert copy(b, a, 1000, 2999950, 0) == 4
assert os.pread(a, 5, 0) == b"more" + data[4:5]
try:
    os.copy_file_range(a, a, 5000, 100, 50)
    raise AssertionError("copied over itself")
except OSError as e:
    assert e.errno == errno.EINVAL
