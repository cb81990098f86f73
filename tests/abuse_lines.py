# SPDX-License-Identifier: BSD-3-Clause
"""Processes that share a file leave lines unfinished, more than a user may have."""
import os

os.close(os.open(f"{os.environ['MQ']}:maxmsg=10,msgsize=8000/q", os.O_WRONLY | os.O_CREAT))
fd = os.open(f"{os.environ['MQ']}:lines/q", os.O_WRONLY)
line, refused = b"x" * 8000, 0
ready, ends = os.pipe(), os.pipe()
for _ in range(20):
    if os.fork() == 0:
        os.close(ends[1])
        try:
            os.write(fd, line)
            os.write(ready[1], b"x")
        except BlockingIOError:
            os.write(ready[1], b".")
        os.read(ends[0], 1)
        os._exit(0)
got = b""
while len(got) < 20:
    got += os.read(ready[0], 20)
assert got.count(b"x") == 65536 // len(line), got
os.close(ends[1])
for _ in range(20):
    assert os.wait()[1] == 0
# The lines were sent when their processes ended, so there is room again.
assert os.write(fd, line) == len(line)
os.close(fd)
fd = os.open(f"{os.environ['MQ']}:drain/q", os.O_RDONLY)
for _ in range(65536 // len(line) + 1):
    assert os.read(fd, len(line)) == line
assert os.read(fd, len(line)) == b""
