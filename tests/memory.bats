# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Shared memory through the mount as memory: mapped, and by unmodified programs.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	[ -z "${GROUP-}" ] || rmdir "$GROUP"
	ipcfs_end
}

@test "mappings grow natively, end in SIGBUS, and take mprotect" {
	python3 - "$SHM/a" <<-'END'
		import ctypes, mmap, os, signal, sys
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
		code[0:1] = b"\xc3"  # x86: ret; elsewhere just a byte
		address = ctypes.addressof(ctypes.c_char.from_buffer(code))
		libc = ctypes.CDLL(None, use_errno=True)
		assert libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ) == 0
		assert child(lambda: ctypes.memset(address, 0, 1)) == -signal.SIGSEGV
	END
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

@test "random operations, natively and through the mount, byte for byte" {
	timeout 150 python3 - "$SHM/a" <<-'END'
		import ctypes, mmap, os, random, struct, sys
		path, native = sys.argv[1], "/dev/shm/a"
		seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
		print("seed", seed)
		STEPS, MAX = 3 * int(os.environ.get("ROUNDS", 100000)), 1 << 18
		libc = ctypes.CDLL(None, use_errno=True)
		KEEP_SIZE, PUNCH_HOLE = 1, 2

		def fallocate(fd, mode, offset, length):
		    assert libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) == 0

		class Side:
		    """A process that does what it is told, through one of the two paths."""

		    def __init__(self, path):
		        self.path, self.fd, self.map = path, None, None
		        self.reopen()

		    def reopen(self):
		        if self.map:
		            self.map.close()
		            self.map = None
		        if self.fd is not None:
		            os.close(self.fd)
		        self.fd = os.open(self.path, os.O_RDWR)

		    def mapped(self, size):
		        if self.map is None or len(self.map) != size:
		            self.map = mmap.mmap(self.fd, size)
		        return self.map

		    def do(self, op, offset, data, length):
		        if op == "write":
		            os.pwrite(self.fd, data, offset)
		        elif op == "read":
		            return os.pread(self.fd, length, offset)
		        elif op == "append":
		            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
		            os.write(fd, data)
		            os.close(fd)
		        elif op == "truncate":
		            os.ftruncate(self.fd, length)
		        elif op == "store":
		            size = os.fstat(self.fd).st_size
		            if offset + len(data) <= size:
		                self.mapped(size)[offset:offset + len(data)] = data
		                return b"stored"
		        elif op == "load":
		            size = os.fstat(self.fd).st_size
		            if offset + length <= size:
		                return self.mapped(size)[offset:offset + length]
		        elif op == "allocate":
		            fallocate(self.fd, 0, offset, length)
		        elif op == "reserve":
		            fallocate(self.fd, KEEP_SIZE, offset, length)
		        elif op == "punch":
		            fallocate(self.fd, PUNCH_HOLE | KEEP_SIZE, offset, length)
		        elif op == "size":
		            return struct.pack("q", os.stat(self.path).st_size)
		        elif op == "reopen":
		            self.reopen()
		        return b""

		def serve(path):
		    """Starts a Side in a process; its two pipes."""
		    r1, w1 = os.pipe()
		    r2, w2 = os.pipe()
		    if os.fork() == 0:
		        side = Side(path)
		        commands, answers = os.fdopen(r1, "rb"), os.fdopen(w2, "wb")
		        os.close(w1)
		        while head := commands.read(32):
		            op, offset, length, n = struct.unpack("8sqqq", head)
		            out = side.do(op.rstrip(b"\0").decode(), offset, commands.read(n), length)
		            out = b"\xff" if out is None else b"\0" + out
		            answers.write(struct.pack("q", len(out)) + out)
		            answers.flush()
		        os._exit(0)
		    os.close(r1)
		    os.close(w2)
		    return os.fdopen(w1, "wb"), os.fdopen(r2, "rb")

		os.close(os.open(native, os.O_RDWR | os.O_CREAT))
		sides = [serve(path), serve(native)]
		model = bytearray()
		ops = ("write read append truncate store load allocate reserve punch size reopen"
		       .split())
		weights = (20, 20, 4, 4, 20, 20, 2, 2, 3, 4, 1)
		if "nopassthrough" in os.environ.get("IPCFS_OPTIONS", ""):
		    ops, weights = zip(*((o, w) for o, w in zip(ops, weights)
		                         if o not in ("store", "load")))
		rng = random.Random(seed)
		counts = dict.fromkeys(ops, 0)

		def grow(size):
		    if size > len(model):
		        model.extend(bytes(size - len(model)))

		for step in range(STEPS):
		    op = rng.choices(ops, weights)[0]
		    offset = rng.randrange(MAX)
		    length = rng.choice((1, 100, 4096, 5000))
		    data = b""
		    if op in ("write", "append", "store"):
		        data = rng.randbytes(length)
		    if op == "append" and len(model) > MAX:
		        op, data = "truncate", b""
		    if op == "truncate":
		        length = offset
		    commands, answers = sides[rng.randrange(2)]
		    commands.write(struct.pack("8sqqq", op.encode(), offset, length, len(data)) + data)
		    commands.flush()
		    (n,) = struct.unpack("q", answers.read(8))
		    answer = answers.read(n)
		    counts[op] = counts.get(op, 0) + 1
		    want = b"\0"
		    if op == "write":
		        grow(offset + length)
		        model[offset:offset + length] = data
		    elif op in ("read", "load"):
		        want += bytes(model[offset:offset + length])
		        if op == "load" and offset + length > len(model):
		            want = b"\xff" if answer == b"\xff" else b"\0"
		    elif op == "append":
		        model += data
		    elif op == "truncate":
		        grow(length)
		        del model[length:]
		    elif op == "store":
		        if offset + length <= len(model):
		            model[offset:offset + length] = data
		            want += b"stored"
		    elif op == "allocate":
		        grow(offset + length)
		    elif op == "punch":
		        end = min(offset + length, len(model))
		        model[offset:end] = bytes(max(0, end - offset))
		    elif op == "size":
		        want += struct.pack("q", len(model))
		    assert answer == want, (seed, step, op, offset, length, len(model))
		with open(path, "rb") as f:
		    assert f.read() == model
		with open(native, "rb") as f:
		    assert f.read() == model
		print(counts)
		for commands, _ in sides:
		    commands.close()
	END
	rm "$SHM/a"
}

# over_dev_shm COMMAND ARG...: where the mount's shm/ stands on /dev/shm.
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

# memory_group LIMIT: makes a memory cgroup. GROUP is its directory, or empty where
# there are none that may be made; charged() says how much it has taken.
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

# in_group COMMAND ARG...: an ordinary user's process in that group.
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
	# The rest of the limit doesn't do: its processes are killed, or refused.
	not in_group fallocate -l 600M "$SHM/b"
	[ "$(stat -c %b /dev/shm/b)" -eq 0 ]
	rm "$SHM/b"
	if [[ ${IPCFS_OPTIONS-} != *nopassthrough* ]]; then
		# By copy_file_range, which asks for the whole at once.
		in_group cp --reflink=never "$SHM/a" "$SHM/b"
		echo "cp: $(charged)"
		[ "$(charged)" -gt 80000000 ]
		rm "$SHM/b"
	fi
	# What gives memory back needs none.
	in_group fallocate -p -o 0 -l 40M "$SHM/a"
	[ "$(stat -c %b /dev/shm/a)" -eq 0 ]
	rm "$SHM/a"
}

@test "a process whose memory can't be charged to it may not make objects grow" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	memory_group 100M
	[ -n "$GROUP" ] || skip "no memory cgroups here"
	exec 5>"$GROUP/cgroup.procs"
	# Now the daemon doesn't see the groups.
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
