# SPDX-License-Identifier: BSD-3-Clause
"""Writes random texts to a semaphore, and compares each result with a model's."""
import errno
import os
import random
import re

import native
from client import MNT

WRITES = int(os.environ.get("ROUNDS", 100000)) // 2
SEM_VALUE_MAX = 2147483647
WRITE_MAX = 31
PIECES = ["+", "-", "0", "1", "7", "00", "2147483647", "2147483648", "99999999999999999999",
          "\n", " ", "\0", "x", "\xff", "0x1", "1.0"]


def result(value, text):
    """The new value, and an errno or 0, of a write to a semaphore of this value."""
    match = re.fullmatch(rb"([+-]?)([0-9]+)\n?", text)
    if not match or len(text) > WRITE_MAX:
        return value, errno.EINVAL
    sign, n = match[1], int(match[2])
    if n > SEM_VALUE_MAX:
        return value, errno.EOVERFLOW
    if sign == b"-":
        return (value - n, 0) if n <= value else (value, errno.EAGAIN)
    new = value + n if sign == b"+" else n
    return (new, 0) if new <= SEM_VALUE_MAX else (value, errno.EOVERFLOW)


sem = native.sem_open("fuzz", os.O_CREAT | os.O_EXCL)
fd = os.open(f"{MNT}/sem/fuzz", os.O_RDWR | os.O_NONBLOCK)
seed = int.from_bytes(os.urandom(4), "little")
random.seed(seed)
value = 0
seen = {}
ALL = {0, errno.EINVAL, errno.EOVERFLOW, errno.EAGAIN}
n = 0
# Until each result has occurred. If one never does, the time limit ends the test.
while n < WRITES or set(seen) != ALL:
    n += 1
    text = "".join(random.choices(PIECES, k=random.randint(1, 5))).encode("latin-1")
    expected = result(value, text)
    try:
        error = 0 if os.write(fd, text) == len(text) else None
    except OSError as e:
        error = e.errno
    got = native.sem_value(sem), error
    assert got == expected, (seed, value, text, got, expected)
    value = got[0]
    seen[error] = seen.get(error, 0) + 1
