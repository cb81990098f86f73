# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Locks on shared memory objects, also against processes that lock without the
# mount.

load mount.bash

setup() {
	ipcfs_mount
	: >"$SHM/a"
}

teardown() {
	rm -f "$SHM/a"
	ipcfs_end
}

# with_locks: runs the Python program on stdin with mount, native (paths), and:
#   try_lock(path, kind, exclusive)   holds a lock, or returns None; kind is
#                                     "flock", "posix" or "ofd"
#   lock(path, kind, exclusive)       repeats try_lock() until it holds the lock:
#                                     FUSE reports the last close of a file
#                                     after close(2)
#   child(f)                          runs f in a process; its exit status
with_locks() {
	timeout 250 python3 -c "
import ctypes, errno, fcntl, os, struct, sys
from client import until, waits
mount, native = sys.argv[1:]
OFD_SETLK, OFD_SETLKW = 37, 38

def record(kind, start=0, length=0):
    return struct.pack('hhqqi4x', kind, 0, start, length, 0)

def try_lock(path, kind, exclusive=True, start=0, length=0):
    fd = os.open(path, os.O_RDWR)
    try:
        if kind == 'flock':
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        else:
            fcntl.fcntl(fd, fcntl.F_SETLK if kind == 'posix' else OFD_SETLK,
                        record(fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK, start, length))
        return fd
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        os.close(fd)

def lock(*args):
    while (fd := try_lock(*args)) is None:
        pass
    return fd

def child(f):
    pid = os.fork()
    if pid == 0:
        os._exit(bool(f()))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
$(cat)" "$SHM/a" /dev/shm/a
}

@test "locks through the mount and native locks exclude each other" {
	with_locks <<-'END'
		KINDS = ("flock",), ("posix", "ofd")
		for family in KINDS:
		    for mine in family:
		        for theirs in family:
		            for here, there in (mount, native), (native, mount), (mount, mount):
		                what = (mine, theirs, here, there)
		                fd = lock(here, mine)
		                assert child(lambda: try_lock(there, theirs)) == 0, what
		                assert child(lambda: try_lock(there, theirs, False)) == 0, what
		                os.close(fd)
		                assert child(lambda: lock(there, theirs)) == 1, what
		                fd = lock(here, mine, False)
		                assert child(lambda: try_lock(there, theirs, False)) == 1, what
		                assert child(lambda: try_lock(there, theirs)) == 0, what
		                os.close(fd)
	END
}

@test "record locks: ranges, upgrade, partial unlock, holder" {
	with_locks <<-'END'
		fd = try_lock(mount, "posix", True, 10, 10)
		assert child(lambda: try_lock(native, "posix", True, 0, 10)) == 1
		assert child(lambda: try_lock(native, "posix", True, 19, 1)) == 0
		assert child(lambda: try_lock(mount, "posix", True, 20, 0)) == 1
		fcntl.fcntl(fd, fcntl.F_SETLK, record(fcntl.F_UNLCK, 12, 2))
		assert child(lambda: try_lock(native, "posix", True, 12, 2)) == 1
		assert child(lambda: try_lock(native, "posix", True, 11, 2)) == 0

		def holder():
		    f = os.open(mount, os.O_RDWR)
		    r = fcntl.fcntl(f, fcntl.F_GETLK, record(fcntl.F_WRLCK))
		    kind, _, start, length, pid = struct.unpack("hhqqi4x", r)
		    return (kind, start, length) == (fcntl.F_WRLCK, 10, 2)

		assert child(holder) == 1
		fcntl.fcntl(fd, fcntl.F_SETLK, record(fcntl.F_RDLCK, 10, 2))
		assert child(lambda: try_lock(native, "posix", False, 10, 2)) == 1
		# Closing any descriptor of the file releases a process's record locks.
		os.close(os.open(mount, os.O_RDONLY))
		assert child(lambda: try_lock(native, "posix")) == 1
		# A write lock needs a descriptor that is open for writing.
		try:
		    fcntl.fcntl(os.open(mount, os.O_RDONLY), fcntl.F_SETLK, record(fcntl.F_WRLCK))
		    sys.exit("locked")
		except OSError as e:
		    assert e.errno == errno.EBADF
	END
}

@test "locks end with the process, also if it is killed" {
	with_locks <<-'END'
		import signal
		for kind in "flock", "posix", "ofd":
		    r, w = os.pipe()
		    pid = os.fork()
		    if pid == 0:
		        try_lock(mount, kind)
		        os.write(w, b"x")
		        signal.pause()
		    os.read(r, 1)
		    assert child(lambda: try_lock(native, kind)) == 0
		    os.kill(pid, signal.SIGKILL)
		    os.waitpid(pid, 0)
		    assert child(lambda: lock(native, kind)) == 1
	END
}

@test "a waiting lock is granted when it is free, and can be interrupted" {
	with_locks <<-'END'
		import signal

		def waiter(kind):
		    pid = os.fork()
		    if pid == 0:
		        os.close(held)
		        fd = os.open(mount, os.O_RDWR)
		        if kind == "flock":
		            fcntl.flock(fd, fcntl.LOCK_EX)
		        else:
		            fcntl.fcntl(fd, fcntl.F_SETLKW if kind == "posix" else OFD_SETLKW,
		                        record(fcntl.F_WRLCK))
		        os._exit(0)
		    return pid

		for kind in "flock", "posix", "ofd":
		    for holder in mount, native:
		        held = lock(holder, kind)
		        pids = [waiter(kind) for _ in range(100)]
		        until(waits, *pids)
		        # No other request has to wait.
		        assert os.listdir(os.path.dirname(mount)) == ["a"]
		        os.stat(mount)
		        for pid in pids[::2]:
		            os.kill(pid, signal.SIGTERM)
		        for pid in pids[::2]:
		            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
		        assert waits(*pids[1::2])
		        os.close(held)
		        for pid in pids[1::2]:
		            assert os.waitpid(pid, 0)[1] == 0
	END
	[ "$(find "/proc/$DAEMON/task" -mindepth 1 -maxdepth 1 | wc -l)" -lt 32 ]
}

@test "a read lock doesn't block execution, and can be upgraded" {
	cp "$(type -P true)" /dev/shm/a
	with_locks <<-'END'
		import subprocess
		for kind in "posix", "ofd":
		    fd = os.open(mount, os.O_RDONLY)
		    fcntl.fcntl(fd, fcntl.F_SETLK if kind == "posix" else OFD_SETLK, record(fcntl.F_RDLCK, 0, 10))
		    assert child(lambda: try_lock(native, kind)) == 0
		    os.chmod(native, 0o755)
		    subprocess.run([native], check=True)
		    subprocess.run([mount], check=True)
		    os.close(fd)
		    assert child(lambda: lock(native, kind)) == 1
		# A process also owns the locks that it set through another descriptor.
		reader = os.open(mount, os.O_RDONLY)
		fcntl.lockf(reader, fcntl.LOCK_SH, 10)
		fcntl.lockf(reader, fcntl.LOCK_SH, 10, 20)
		writer = os.open(mount, os.O_WRONLY)
		fcntl.lockf(writer, fcntl.LOCK_EX, 10, 5)
		for start, length, read, write in (0, 5, 1, 0), (5, 10, 0, 0), (15, 5, 1, 1), (20, 10, 1, 0):
		    assert child(lambda: try_lock(native, "posix", False, start, length)) == read, start
		    assert child(lambda: try_lock(native, "posix", True, start, length)) == write, start
		fcntl.lockf(reader, fcntl.LOCK_UN, 10, 20)
		assert child(lambda: try_lock(native, "posix", True, 20, 10)) == 1
		os.close(writer)
		assert child(lambda: lock(native, "posix")) == 1
	END
}

@test "locking a queue fails" {
	echo x >"$MQ/q"
	run flock -n "$MQ/q" true
	[[ $output == *"No locks available" ]]
	[ "$(cat "$MQ/q")" = x ]
	rm "$MQ/q"
}

@test "flock(1) in a shell, through the mount and natively" {
	exec 5<"$SHM/a"
	flock 5
	run flock -n /dev/shm/a true
	[ "$status" -eq 1 ]
	flock -u 5
	flock -n /dev/shm/a true
	exec 5<&-
	flock /dev/shm/a sh -c "! flock -n '$SHM/a' true"
}
