# SPDX-License-Identifier: BSD-3-Clause
"""Usage: lines_close.py MQ

A line that is begun ends when its process closes the file.
"""
import os
import sys

mq = sys.argv[1]
def count(): return int(os.getxattr(mq + "/q", "user.mq.curmsgs"))


def run(f):
    pid = os.fork()
    if pid == 0:
        f()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


fd = os.open(mq + ":lines/q", os.O_WRONLY)
os.write(fd, b"a line in ")
assert count() == 0
# A child has an unfinished line of its own; the parent's stays.
run(lambda: os.write(fd, b"the child's"))
assert count() == 1
os.write(fd, b"pieces")
assert count() == 1
os.write(fd, b"\nrest")
assert count() == 2
# Another open file also has a line of its own.
other = os.open(mq + ":lines/q", os.O_WRONLY)
os.write(other, b"other")
os.close(other)
assert count() == 3
os.close(fd)
assert count() == 4
# The end of a killed child closes the file.
fd = os.open(mq + ":lines/q", os.O_WRONLY)
run(lambda: (os.write(fd, b"last words"), os.execlp("true", "true")))
pid = os.fork()
if pid == 0:
    os.write(fd, b"killed")
    os.kill(os.getpid(), 9)
os.waitpid(pid, 0)
assert count() == 6
