# SPDX-License-Identifier: BSD-3-Clause
"""How long a waiting read takes to return after a native send: wakeup.py QUEUE FILE

The queue takes messages of 8 bytes; FILE is the queue on the mount. Prints the
median and the longest of 100, in milliseconds.
"""
import os
import statistics
import struct
import sys
import time

import client
import native


def read_on(path, out):
    fd = os.open(path, os.O_RDONLY)
    while True:
        sent = os.read(fd, 8)
        if sent:
            now = time.monotonic_ns()
            os.write(out, struct.pack("q", now - struct.unpack("q", sent)[0]))


def main(name, path):
    mqd = native.mq_open(name, os.O_WRONLY)
    took, out = os.pipe()
    reader = client.fork(read_on, path, out)
    times = []
    for _ in range(100):
        client.until(client.waits, reader)
        native.mq_send(mqd, struct.pack("q", time.monotonic_ns()))
        times.append(struct.unpack("q", os.read(took, 8))[0] / 1e6)
    os.kill(reader, 9)
    print(f"median {statistics.median(times):.2f} ms, longest {max(times):.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
