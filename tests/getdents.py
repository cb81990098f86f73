# SPDX-License-Identifier: BSD-3-Clause
"""Directories as the kernel lists them: what the programs in listing.bats share."""
import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
GETDENTS64 = 217 if os.uname().machine == "x86_64" else 61
buffer = ctypes.create_string_buffer(1 << 20)


def raw(fd, size=32768):
    """How many bytes of entries getdents64(2) returns."""
    n = libc.syscall(GETDENTS64, fd, buffer, size)
    if n < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return n


def getdents(fd, size=32768):
    """The next entries: names and where the entry behind each begins."""
    n, at, entries = raw(fd, size), 0, []
    while at < n:
        offset, length = struct.unpack_from("=QH", buffer, at + 8)
        name = ctypes.string_at(ctypes.addressof(buffer) + at + 19)
        entries.append((os.fsdecode(name), offset))
        at += length
    return entries


def all_of(fd, size=32768):
    entries = []
    while some := getdents(fd, size):
        entries += some
    return entries
