# SPDX-License-Identifier: BSD-3-Clause
"""Usage: lines_close_busy.py MQ

A last line is in the queue when close returns, although another process is
sending 500 lines at the same time.
"""
import os
import sys

MQ, OTHERS = sys.argv[1], 500
LINES = MQ + ":lines/q"


def count(): return int(os.getxattr(MQ + "/q", "user.mq.curmsgs"))


for _ in range(50):
    open(f"{MQ}:maxmsg={OTHERS + 1},msgsize=1/q", "w").close()
    fd = os.open(LINES, os.O_WRONLY)
    os.write(fd, b"b")
    other = os.open(LINES, os.O_WRONLY)
    pid = os.fork()
    if pid == 0:
        os.write(other, b"a\n" * OTHERS)
        os._exit(0)
    while count() == 0:
        pass
    os.close(fd)
    # The lines of the other process come before this process's line.
    assert count() == OTHERS + 1, count()
    os.close(other)
    assert os.waitpid(pid, 0)[1] == 0
    os.unlink(MQ + "/q")
