# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Faults around the daemon: the daemon is killed, stopped or cut off, or space or
# descriptors are used up.

load mount.bash

setup() {
	ipcfs_prepare
	export WORK
}

# hears WORD: whether a program in the background has called say(WORD); see client.py.
hears() {
	eventually test -e "$WORK/$1"
}

ends_well() {
	eventually has_fds "$DAEMON" "$DAEMON_FDS"
	umount "$MNT"
	ended_well
}

@test "kill -9 with 100 clients: a new start replaces the mount, native programs and mappings still work" {
	native create empty 1 10
	native create full 1 10
	native send full x
	native create busy 10 10
	ipcfs_start
	timeout 250 python3 "$TESTS/faults_kill.py" "$DAEMON" 3>&- &
	local program=$!
	hears killed
	not wait "$DAEMON"
	ipcfs_start
	[ "$(grep -c " $MNT " /proc/self/mounts)" -eq 1 ]
	: >"$WORK/restarted"
	wait $program
	rm "$SHM/a" "$MQ"/*
	ends_well
}

# on_small_shm OPTION,... DAEMON_OPTION...: mounts a tmpfs with these options on
# /dev/shm, and runs the Python program on stdin.
on_small_shm() {
	mount -t tmpfs -o "mode=1777,$1" tmpfs /dev/shm
	ipcfs_start "${@:2}"
	timeout 250 python3 -
	umount "$MNT"
	wait "$DAEMON"
	is_empty /dev/shm
	umount /dev/shm
}

@test "a full tmpfs: ENOSPC and SIGBUS as natively, then recovery" {
	local program='
from client import *
import ctypes, errno, signal
libc = ctypes.CDLL(None, use_errno=True)
MAPS = not os.environ.get("NO_MAPS")
BLOCK = 65536

def failure(f, *args):
    """What it failed with."""
    try:
        return f(*args)
    except OSError as e:
        return errno.errorcode[e.errno]

def fallocate(fd, offset, length):
    if libc.fallocate(fd, 0, ctypes.c_long(offset), ctypes.c_long(length)) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")

def ending(f):
    """How a process that calls f ends."""
    pid = os.fork()
    if pid == 0:
        f()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def outcomes(dir):
    def file(name):
        return os.open(f"{dir}/{name}", os.O_RDWR | os.O_CREAT)

    kept, hole, big = file("kept"), file("hole"), file("big")
    pattern = bytes(range(256)) * 256
    os.pwrite(kept, pattern, 0)
    os.ftruncate(hole, 1 << 20)
    holes = mmap.mmap(hole, 1 << 20) if MAPS else None

    def store(at):
        holes[at] = 1

    # The last write finds room for a part.
    os.write(big, pattern[:100])
    while (n := failure(os.write, big, pattern)) == BLOCK:
        pass
    yield n
    size = os.fstat(big).st_size
    yield size
    yield failure(os.write, big, b"x")
    yield failure(os.pwrite, hole, b"x", 5000)
    yield failure(fallocate, hole, 0, 4096)
    yield failure(fallocate, big, size, BLOCK)
    yield failure(os.pwrite, kept, b"x", BLOCK)
    yield os.statvfs(dir).f_bfree
    if MAPS:
        yield ending(lambda: store(9000))
        yield ending(lambda: holes[9000])
    # Nothing else was damaged.
    yield os.pread(hole, 1 << 20, 0) == bytes(1 << 20)
    yield os.pread(kept, 1 << 20, 0) == pattern
    yield os.fstat(big).st_size == size and os.pread(big, BLOCK, 100) == pattern
    os.pwrite(kept, b"over", 0)
    yield os.pread(kept, 8, 0) == b"over" + pattern[4:8]
    os.rename(f"{dir}/hole", f"{dir}/renamed")

    os.unlink(f"{dir}/big")
    os.close(big)
    until(lambda: os.statvfs(dir).f_bfree > 100)
    if MAPS:
        yield ending(lambda: store(9000))
        yield os.pread(hole, 1, 9000)
    yield failure(os.pwrite, hole, b"x", 5000)
    yield failure(fallocate, hole, 65536, 65536)
    os.unlink(f"{dir}/renamed")
    os.unlink(f"{dir}/kept")
    os.close(hole)
    os.close(kept)

natively = list(outcomes("/dev/shm"))
print(natively)
assert natively.count("ENOSPC") == 5 and natively.count(-signal.SIGBUS) == 2 * MAPS, natively
until(lambda: os.statvfs("/dev/shm").f_bfree == 256)
mounted = list(outcomes(SHM))
assert mounted == natively, mounted'

	on_small_shm size=1M <<<"$program"
	NO_MAPS=1 on_small_shm size=1M -o nopassthrough <<<"$program"
	ipcfs_ended 0
}

@test "no free inode: ENOSPC for new objects, then recovery" {
	on_small_shm size=1M,nr_inodes=6 <<-'END'
		from client import *
		import errno
		for i in range(5):
		    with open(f"{SHM}/{i}", "w") as f:
		        print(i, file=f)
		fails([errno.ENOSPC], open, f"{SHM}/new", "w")
		fails([errno.ENOSPC], os.open, SHM, os.O_TMPFILE | os.O_RDWR)
		fails([errno.ENOSPC], os.mknod, f"{SHM}/new")
		assert os.statvfs(SHM).f_ffree == 0
		assert sorted(os.listdir(SHM)) == list("01234")
		os.rename(f"{SHM}/0", f"{SHM}/4")
		until(lambda: os.statvfs(SHM).f_ffree == 1)
		with open(f"{SHM}/new", "w") as f:
		    pass
		assert [open(f"{SHM}/{i}").read() for i in "1234"] == ["1\n", "2\n", "3\n", "0\n"]
		for name in os.listdir(SHM):
		    os.unlink(f"{SHM}/{name}")
	END
	ipcfs_ended 0
}

@test "no free descriptor: EMFILE for new files, open files still work" {
	native create q 2 10
	ipcfs_start
	prlimit --pid "$DAEMON" --nofile=200:200
	timeout 250 python3 "$TESTS/faults_descriptors.py" "$DAEMON"
	ends_well
}

@test "an abort of the connection: waits fail, mappings stay, a new start works" {
	native create empty 1 10
	native create full 1 10
	native send full x
	mount -t fusectl fusectl /sys/fs/fuse/connections
	ipcfs_start
	timeout 250 python3 "$TESTS/faults_abort.py" "$DAEMON"
	# The daemon may learn of the abort after the writers, which still wait there.
	wait "$DAEMON"
	[ "$(native receive full)" = x ]
	[ "$(native receive full)" = EAGAIN ]
	not is_mounted
	ipcfs_start
	[ "$(head -c7 "$SHM/a")" = written ]
	echo job >"$MQ/full"
	[ "$(cat "$MQ/full")" = job ]
	rm "$SHM/a" "$MQ"/*
	umount /sys/fs/fuse/connections
	ends_well
}

@test "a lazy unmount: open files still work, the daemon ends with the last one" {
	native create q 2 10
	ipcfs_start
	timeout 250 python3 "$TESTS/faults_lazy_unmount.py" "$DAEMON"
	ended_well
}

@test "two daemons: changes through one are visible through the other" {
	native create q 2 10
	ipcfs_start
	mkdir "$WORK/second"
	"$IPCFS" "$WORK/second" 3>&-
	timeout 250 python3 "$TESTS/faults_two_daemons.py" "$WORK/second"
	rm "$WORK/second/shm/a" "$WORK/second/mq/q"
	is_empty "$SHM"
	is_empty "$MQ"
	umount "$WORK/second"
	ends_well
}

@test "a stopped daemon: nothing is lost, new clients can be killed" {
	native create q 2 10
	ipcfs_start
	timeout 250 python3 "$TESTS/faults_stopped.py" "$DAEMON"
	rm "$MQ/q"
	ends_well
}

@test "an object that the kernel refuses to serve itself is served by the daemon" {
	is_linux 6.9 || skip 'there is no passthrough before Linux 6.9'
	ipcfs_start
	[ "$(getfattr --absolute-names --only-values -n user.ipcfs.passthrough "$MNT")" = yes ]
	echo text >"$SHM/a"
	strace -f -e trace=ioctl -e inject=ioctl:error=ENOSPC -o /dev/null -p "$DAEMON" \
		2>"$WORK/strace.log" 3>&- &
	eventually grep -q attached "$WORK/strace.log"
	[ "$(cat "$SHM/a")" = text ]
	echo more >>"$SHM/a"
	kill -INT $!
	wait $! || true
	[ "$(cat /dev/shm/a)" = $'text\nmore' ]
	logged 'an object is without passthrough: No space left on device'
	rm "$SHM/a"
	ends_well
}
