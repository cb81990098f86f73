# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Shared memory through the mount used as memory: mapped, and used by unmodified
# programs.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	[ -z "${GROUP-}" ] || rmdir "$GROUP"
	ipcfs_end
}

@test "mappings: growth, SIGBUS and mprotect as natively" {
	python3 "$TESTS/memory_mappings.py" "$SHM/a"
	rm "$SHM/a"
}

@test "open and mapped objects outlive the daemon" {
	python3 - "$SHM/a" "$DAEMON" <<-'END'
		import mmap, os, signal, sys
		path, daemon = sys.argv[1], int(sys.argv[2])
		fd = os.open(path, os.O_RDWR | os.O_CREAT)
		os.ftruncate(fd, 8192)
		shared = mmap.mmap(fd, 8192)
		os.kill(daemon, signal.SIGKILL)
		while True:
		    try:
		        os.stat(path)
		    except OSError:
		        break
		native = os.open("/dev/shm/a", os.O_RDWR)
		shared[0:6] = b"stored"
		assert os.pread(native, 6, 0) == b"stored"
		os.pwrite(native, b"native", 100)
		assert shared[100:106] == b"native"
		assert os.pread(fd, 6, 100) == b"native"
		os.pwrite(fd, b"written", 200)
		assert os.pread(native, 7, 200) == b"written"
	END
	wait "$DAEMON" || [ $? -eq 137 ]
	rm /dev/shm/a
	ipcfs_start
}

# over_dev_shm COMMAND ARG...: runs the command where the mount's shm/ covers /dev/shm.
over_dev_shm() {
	# shellcheck disable=SC2016 # it is the other shell's
	unshare --mount sh -c 'mount --bind "$SHM" /dev/shm && exec "$@"' - "$@"
}

@test "Python's shared_memory runs on the mount unmodified" {
	over_dev_shm python3 - <<-'END'
		import os
		from multiprocessing import Process, shared_memory

		def other(name):
		    m = shared_memory.SharedMemory(name=name)
		    m.buf[100] = m.buf[0] + 1
		    m.close()

		assert open("/proc/self/mounts").read().count("fuse.ipcfs") >= 1
		m = shared_memory.SharedMemory(create=True, size=1 << 20)
		m.buf[0] = 41
		p = Process(target=other, args=(m.name,))
		p.start()
		p.join()
		assert p.exitcode == 0 and m.buf[100] == 42
		l = shared_memory.ShareableList([1, "two", 3.0])
		assert list(shared_memory.ShareableList(name=l.shm.name)) == [1, "two", 3.0]
		l.shm.close()
		l.shm.unlink()
		m.close()
		m.unlink()
	END
}

@test "named semaphores, the C library's and Python's, are made on the mount" {
	over_dev_shm python3 - <<-'END'
		import ctypes, multiprocessing, os
		libc = ctypes.CDLL(None, use_errno=True)
		libc.sem_open.restype = ctypes.c_void_p
		sem = ctypes.c_void_p(libc.sem_open(b"/name", os.O_CREAT | os.O_EXCL, 0o600, 3))
		assert sem.value, os.strerror(ctypes.get_errno())
		assert libc.sem_open(b"/name", os.O_CREAT | os.O_EXCL, 0o600, 3) is None
		assert os.listdir("/dev/shm") == []
		assert os.stat("/dev/shm/sem.name").st_nlink == 1
		if os.fork() == 0:
		    other = ctypes.c_void_p(libc.sem_open(b"/name", 0))
		    os._exit(0 if all(libc.sem_wait(other) == 0 for _ in range(3)) else 1)
		assert os.wait()[1] == 0
		value = ctypes.c_int()
		assert libc.sem_getvalue(sem, ctypes.byref(value)) == 0 and value.value == 0
		assert libc.sem_unlink(b"/name") == 0
		lock = multiprocessing.Lock()
		with lock:
		    assert not lock.acquire(block=False)
		assert lock.acquire(block=False)
	END
}

@test "stress-ng --shm runs on the mount unmodified" {
	over_dev_shm stress-ng --shm 4 --shm-ops 400 --timeout 60 --verify --quiet
}

# memory_group LIMIT: makes a memory cgroup. GROUP is its directory, or empty if this
# machine allows none. charged() prints how much memory it is charged for.
memory_group() {
	GROUP=
	if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
		GROUP=/sys/fs/cgroup/memory/ipcfs-test.$BASHPID
		mkdir "$GROUP" && echo "$1" >"$GROUP/memory.limit_in_bytes"
		charged() { cat "$GROUP/memory.usage_in_bytes"; }
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control; then
		GROUP=/sys/fs/cgroup/ipcfs-test.$BASHPID
		mkdir "$GROUP" && echo "$1" >"$GROUP/memory.max"
		charged() { cat "$GROUP/memory.current"; }
	fi 2>/dev/null
}

# in_group COMMAND ARG...: runs the command as an ordinary user in the cgroup.
in_group() {
	# shellcheck disable=SC2016 # it is the other shell's
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$GROUP" \
		setpriv --reuid 4001 --regid 4001 --clear-groups "$@"
}

@test "the memory of an object is charged to the process that makes it grow" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	memory_group 100M
	[ -n "$GROUP" ] || skip "no memory cgroups here"
	in_group fallocate -l 40M "$SHM/a"
	[ "$(stat -c '%s %b %U' /dev/shm/a)" = "41943040 81920 UNKNOWN" ]
	echo "fallocate: $(charged)"
	[ "$(charged)" -gt 40000000 ]
	# The rest of the limit is too little: processes are killed, or the call fails.
	not in_group fallocate -l 600M "$SHM/b"
	[ "$(stat -c %b /dev/shm/b)" -eq 0 ]
	rm "$SHM/b"
	if [[ ${IPCFS_OPTIONS-} != *nopassthrough* ]]; then
		# copy_file_range(2) needs all memory at once.
		in_group cp --reflink=never "$SHM/a" "$SHM/b"
		echo "cp: $(charged)"
		[ "$(charged)" -gt 80000000 ]
		rm "$SHM/b"
	fi
	# An operation that frees memory needs none.
	in_group fallocate -p -o 0 -l 40M "$SHM/a"
	[ "$(stat -c %b /dev/shm/a)" -eq 0 ]
	rm "$SHM/a"
}

@test "a process whose memory can't be charged can't make objects grow" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	memory_group 100M
	[ -n "$GROUP" ] || skip "no memory cgroups here"
	exec 5>"$GROUP/cgroup.procs"
	# Now the daemon doesn't see the cgroups.
	mount -t tmpfs tmpfs /sys/fs/cgroup
	# shellcheck disable=SC2016 # it is the other shell's
	run bash -c 'echo $$ >&5 && exec fallocate -l 4K "$0"' "$SHM/a"
	umount /sys/fs/cgroup
	exec 5>&-
	echo "$output"
	[[ $output == *"Operation not permitted" ]]
	[ "$(stat -c %b /dev/shm/a)" -eq 0 ]
	rm "$SHM/a"
}
