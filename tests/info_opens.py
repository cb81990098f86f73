# SPDX-License-Identifier: BSD-3-Clause
"""Objects are opened through the mount while their info files are read.

Each kind's object is opened ROUNDS / 5 times.
"""
import os
import signal

from client import MNT, fork

OPENS = int(os.environ.get("ROUNDS", 100000)) // 5


def read_info(path):
    while True:
        with open(path) as f:
            f.read()


for kind, name in ("shm", "a"), ("mq", "q"), ("sem", "s"):
    child = fork(read_info, f"{MNT}/{kind}:info/{name}")
    try:
        for _ in range(OPENS):
            os.close(os.open(f"{MNT}/{kind}/{name}", os.O_RDONLY))
            if kind == "mq":
                os.getxattr(f"{MNT}/mq/q", "user.mq.curmsgs")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
