# SPDX-License-Identifier: BSD-3-Clause
"""Usage: memory_mappings.py FILE

Mappings of /dev/shm/a grow natively, end in SIGBUS, and allow mprotect.
"""
import ctypes
import mmap
import os
import signal
import sys

fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
native = os.open("/dev/shm/a", os.O_RDWR)
os.ftruncate(native, 4096)
assert os.fstat(fd).st_size == 4096
m = mmap.mmap(fd, 4096)
os.ftruncate(native, 12288)
big = mmap.mmap(fd, 12288)
n = mmap.mmap(native, 12288)
big[12287] = 7
assert n[12287] == 7
n[0] = 9
assert m[0] == 9


def child(f):
    pid = os.fork()
    if pid == 0:
        f()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


os.ftruncate(native, 4096)
assert child(lambda: big[5000]) == -signal.SIGBUS
assert child(lambda: big[4000]) == 0
read_only = os.open(sys.argv[1], os.O_RDONLY)
mmap.mmap(read_only, 4096, prot=mmap.PROT_READ)
try:
    mmap.mmap(read_only, 4096)
    sys.exit("a writable mapping of what is open to read")
except PermissionError:
    pass
code = mmap.mmap(fd, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code[0:1] = b"\xc3"  # x86: ret; on other processors just a byte
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ) == 0
assert child(lambda: ctypes.memset(address, 0, 1)) == -signal.SIGSEGV
