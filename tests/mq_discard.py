# SPDX-License-Identifier: BSD-3-Clause
"""Usage: mq_discard.py FILE

What is sent after a discard has returned stays, while others send.
"""
import os
import signal
import sys

import native

path = sys.argv[1]
noise = os.fork()
if noise == 0:
    out = native.mq_open("q", os.O_WRONLY | os.O_NONBLOCK)
    while True:
        try:
            native.mq_send(out, b"noise")
        except BlockingIOError:
            pass
queue = native.mq_open("q", os.O_RDWR | os.O_NONBLOCK)


def send(text):
    while True:
        try:
            return native.mq_send(queue, text, 1)
        except BlockingIOError:
            native.mq_receive(queue)


for i in range(500):
    os.truncate(path, 0)
    send(b"%d" % i)
    got = native.mq_receive(queue)
    assert got == b"%d" % i, (i, got)
os.kill(noise, signal.SIGKILL)
os.wait()
