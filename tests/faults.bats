# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What may go wrong around the daemon: it is killed, stopped or cut off, or space
# or descriptors are used up.

load mount.bash

setup() {
	ipcfs_prepare
	export WORK
	export PYTHONPATH=$TESTS PYTHONDONTWRITEBYTECODE=1
}

# hears WORD: a program in the background has said it; see client.py.
hears() {
	eventually test -e "$WORK/$1"
}

ends_well() {
	eventually has_fds "$DAEMON" "$DAEMON_FDS"
	umount "$MNT"
	ended_well
}

ended_well() {
	local status=0

	wait "$DAEMON" || status=$?
	is_empty /dev/shm
	is_empty "$NATIVE"
	ipcfs_ended "$status"
}

@test "kill -9 with 100 clients: a new start takes over, natives and mappings go on" {
	native create empty 1 10
	native create full 1 10
	native send full x
	native create busy 10 10
	ipcfs_start
	timeout 60 python3 - "$DAEMON" 3>&- <<-'END' &
		from client import *
		import errno, native, signal
		EACH = 25
		GONE = errno.ENOTCONN, errno.ECONNABORTED
		daemon = int(sys.argv[1])
		counters, got = Counters(2 * EACH + 2), Counters(EACH)
		os.close(os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT))
		os.truncate(f"{SHM}/a", 2 * EACH * 4096)

		def reader():
		    fd = os.open(f"{MQ}/empty", os.O_RDONLY)
		    if said("killed"):
		        got.add(int(os.read(fd, 10)))
		    else:
		        fails(GONE, os.read, fd, 10)

		def writer():
		    fd = os.open(f"{MQ}/full", os.O_WRONLY)
		    if said("killed"):
		        os.write(fd, b"sent")
		    else:
		        fails(GONE, os.write, fd, b"lost")

		def looper(i):
		    fd = os.open(f"{SHM}/a", os.O_RDWR)
		    for _ in until_said("end"):
		        data = struct.pack("q", counters[i]) * 512
		        os.pwrite(fd, data, i * 4096)
		        assert os.pread(fd, 4096, i * 4096) == data
		        counters.add(i)

		def mapper(i):
		    native_fd = native.shm_open("a", os.O_RDWR)
		    fd = os.open(f"{SHM}/a", os.O_RDWR)
		    shared = mmap.mmap(fd, 4096, offset=i * 4096)
		    for _ in until_said("end"):
		        data = struct.pack("q", counters[i]) * 512
		        shared[:] = data
		        assert os.pread(native_fd, 4096, i * 4096) == data
		        counters.add(i)

		def sender(i):
		    mqd = native.mq_open("busy", os.O_WRONLY)
		    for _ in until_said("end"):
		        native.mq_send(mqd, b"%d" % counters[i])
		        counters.add(i)
		    native.mq_send(mqd, b"end")

		def receiver(i):
		    mqd = native.mq_open("busy", os.O_RDONLY)
		    while (data := native.mq_receive(mqd)) != b"end":
		        assert data == b"%d" % counters[i]
		        counters.add(i)

		def waiters():
		    pids = [fork(f) for f in (reader, writer) for _ in range(EACH)]
		    until(waits, *pids)
		    return pids

		pids = waiters()
		others = [fork(looper, i) for i in range(EACH)]
		others += [fork(mapper, i) for i in range(EACH, 2 * EACH)]
		others += [fork(sender, 2 * EACH), fork(receiver, 2 * EACH + 1)]
		counters.all_grow()
		os.kill(daemon, signal.SIGKILL)
		join(*pids)
		fails(GONE, os.stat, SHM)
		counters.all_grow()
		say("killed")
		until(said, "restarted")
		counters.all_grow()
		# Those who wait now are served, each once.
		pids = waiters()
		empty = native.mq_open("empty", os.O_WRONLY)
		full = native.mq_open("full", os.O_RDONLY)
		for i in range(EACH):
		    native.mq_send(empty, b"%d" % i)
		assert [native.mq_receive(full) for _ in range(EACH + 1)] == [b"x"] + [b"sent"] * EACH
		say("end")
		join(*pids, *others)
		assert [got[i] for i in range(EACH)] == [1] * EACH
	END
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

# on_small_shm OPTION,... DAEMON_OPTION...: runs the Python program on stdin where
# /dev/shm is a tmpfs with these options.
on_small_shm() {
	mount -t tmpfs -o "mode=1777,$1" tmpfs /dev/shm
	ipcfs_start "${@:2}"
	timeout 60 python3 -
	umount "$MNT"
	wait "$DAEMON"
	is_empty /dev/shm
	umount /dev/shm
}

@test "a full tmpfs is ENOSPC and SIGBUS as natively, and recovers" {
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

    # The last of these finds room for a part.
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
    # Nothing else has come to harm.
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

@test "no more inodes is ENOSPC for what is new, and recovers" {
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

@test "no descriptor left: what is new is EMFILE, what is open goes on" {
	native create q 2 10
	ipcfs_start
	prlimit --pid "$DAEMON" --nofile=200:200
	timeout 60 python3 - "$DAEMON" <<-'END'
		from client import *
		import errno, fcntl, native, select, threading
		def write(name, text):
		    with open(f"{SHM}/{name}", "w") as f:
		        f.write(text)
		for name in "ab":
		    write(name, name)
		a = os.open(f"{SHM}/a", os.O_RDWR)
		q = os.open(f"{MQ}/q", os.O_RDWR)
		mqd = native.mq_open("q", os.O_RDWR)
		reader = fork(lambda: os.read(q, 10))
		until(waits, reader)

		held = []
		def hold(path, flags):
		    while True:
		        held.append(os.open(path, flags))
		def hold_all():
		    fails([errno.EMFILE], hold, f"{SHM}/b", os.O_RDONLY)
		    fails([errno.EMFILE], hold, f"{MQ}/q", os.O_RDONLY)
		    fails([errno.EMFILE], hold, SHM, os.O_WRONLY | os.O_TMPFILE)
		    return len(held)
		def release_all():
		    while held:
		        os.close(held.pop())
		shm = os.open(SHM, os.O_RDONLY)
		n = hold_all()
		assert n > 50, n
		for dir in SHM, MQ:
		    fails([errno.EMFILE], os.open, f"{dir}/new", os.O_WRONLY | os.O_CREAT)
		b = os.stat(f"{SHM}/b")
		fails([errno.EMFILE], os.open, f"{SHM}/b", os.O_WRONLY | os.O_TRUNC)

		# What is open.
		os.pwrite(a, b"written", 0)
		os.ftruncate(a, 5)
		assert os.fstat(a).st_size == 5
		assert os.pread(a, 10, 0) == b"writt"
		assert mmap.mmap(a, 5)[:] == b"writt"
		os.fchmod(a, 0o600)
		fcntl.flock(a, fcntl.LOCK_EX)
		fcntl.flock(a, fcntl.LOCK_UN)
		native.mq_send(mqd, b"waited")
		join(reader)
		for i in range(3):
		    os.write(q, b"%d" % i)
		    assert native.mq_receive(mqd) == b"%d" % i
		p = select.poll()
		p.register(q, select.POLLIN)
		t = threading.Thread(target=lambda: native.mq_send(mqd, b"poll"))
		t.start()
		assert p.poll(20000)
		t.join()
		assert os.read(q, 10) == b"poll"
		# What needs none for long.
		assert sorted(os.listdir(shm)) == ["a", "b"]
		assert os.stat(f"{SHM}/b") == b and os.stat(f"{MQ}/q").st_size == 0
		os.rename(f"{SHM}/b", f"{SHM}/c")
		os.truncate(f"{SHM}/c", 100)
		os.rename(f"{SHM}/c", f"{SHM}/b")

		# As many as before. The kernel tells of a close(2) a moment after it.
		def recovered():
		    release_all()
		    return hold_all() == n
		until(recovered)
		release_all()
		for name in f"{SHM}/a", f"{SHM}/b", f"{MQ}/q":
		    os.unlink(name)
	END
	ends_well
}

@test "an abort of the connection: who waits fails, mappings stay, a new start works" {
	native create empty 1 10
	native create full 1 10
	native send full x
	mount -t fusectl fusectl /sys/fs/fuse/connections
	ipcfs_start
	timeout 60 python3 - "$DAEMON" <<-'END'
		from client import *
		import errno, fcntl, native, select
		GONE = errno.ENOTCONN, errno.ECONNABORTED
		fd = os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT)
		os.ftruncate(fd, 4096)
		shared = mmap.mmap(fd, 4096)
		held = os.open("/dev/shm/a", os.O_RDWR)
		fcntl.flock(held, fcntl.LOCK_EX)

		def reader():
		    fails(GONE, os.read, os.open(f"{MQ}/empty", os.O_RDONLY), 10)

		def writer():
		    fails(GONE, os.write, os.open(f"{MQ}/full", os.O_WRONLY), b"lost")

		def locker():
		    fails(GONE, fcntl.flock, os.open(f"{SHM}/a", os.O_RDWR), fcntl.LOCK_EX)

		def poller():
		    p = select.poll()
		    p.register(os.open(f"{MQ}/empty", os.O_RDONLY), select.POLLIN)
		    say("polls")
		    assert p.poll(20000)[0][1] & select.POLLERR

		pids = [fork(f) for f in (reader, writer, locker) for _ in range(10)]
		until(lambda: waits(*pids) and is_idle(sys.argv[1]))
		pids.append(fork(poller))
		until(said, "polls")
		until(lambda: "poll" in open(f"/proc/{pids[-1]}/wchan").read())
		minor = os.minor(os.stat(MNT).st_dev)
		with open(f"/sys/fs/fuse/connections/{minor}/abort", "w") as f:
		    f.write("1")
		join(*pids)
		shared[:7] = b"written"
		os.pwrite(fd, b"and", 8)
		assert os.pread(held, 11, 0) == b"written\0and"
	END
	# It may learn of it later than the writers, who are still in line there.
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

@test "a lazy unmount: what is open goes on, and the daemon ends with the last of it" {
	native create q 2 10
	ipcfs_start
	timeout 60 python3 - "$DAEMON" <<-'END'
		from client import *
		import errno, fcntl, native, select, subprocess
		fd = os.open(f"{SHM}/a", os.O_RDWR | os.O_CREAT)
		os.ftruncate(fd, 4096)
		shared = mmap.mmap(fd, 4096)
		q = os.open(f"{MQ}/q", os.O_RDWR)
		dir = os.open(SHM, os.O_RDONLY)
		waiter = fork(lambda: fails([errno.ENOTCONN], os.read, q, 10))
		until(lambda: waits(waiter) and is_idle(sys.argv[1]))
		subprocess.check_call(["umount", "-l", MNT])
		join(waiter)
		assert os.listdir(MNT) == []

		shared[:7] = b"written"
		os.pwrite(fd, b"and", 8)
		assert open("/dev/shm/a", "rb").read(11) == b"written\0and"
		os.ftruncate(fd, 8)
		assert os.fstat(fd).st_size == os.stat("/dev/shm/a").st_size == 8
		os.fchmod(fd, 0o640)
		assert os.stat("/dev/shm/a").st_mode & 0o777 == 0o640
		fcntl.flock(fd, fcntl.LOCK_EX)
		fails([errno.EAGAIN], fcntl.flock, os.open("/dev/shm/a", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
		# Below an open directory there are names still.
		assert os.listdir(dir) == ["a"]
		os.close(os.open("b", os.O_WRONLY | os.O_CREAT, dir_fd=dir))
		os.unlink("b", dir_fd=dir)

		os.write(q, b"one")
		mqd = native.mq_open("q", os.O_RDWR)
		assert native.mq_receive(mqd) == b"one"
		# Who comes now waits as ever.
		def reader():
		    assert os.read(q, 10) == b"two"
		waiter = fork(reader)
		until(waits, waiter)
		native.mq_send(mqd, b"two")
		join(waiter)
		p = select.poll()
		p.register(q, select.POLLIN)
		# It has received, so the end comes first.
		assert p.poll(0) and os.read(q, 10) == b""
		assert not p.poll(0)
		native.mq_send(mqd, b"three")
		assert p.poll(20000)
		assert os.read(q, 10) == b"three"

		shared.close()
		for last in dir, q, fd:
		    assert os.listdir(f"/proc/{sys.argv[1]}/fd")
		    os.close(last)
		os.unlink("/dev/shm/a")
		native.mq_unlink("q")
	END
	ended_well
}

@test "two daemons: what each is told holds for the other" {
	native create q 2 10
	ipcfs_start
	mkdir "$WORK/second"
	"$IPCFS" "$WORK/second" 3>&-
	timeout 60 python3 - "$WORK/second" <<-'END'
		from client import *
		import errno, fcntl, native
		EACH, N = 4, 400
		mounts = MNT, sys.argv[1]
		one, two = [os.open(f"{m}/shm/a", os.O_RDWR | os.O_CREAT) for m in mounts]
		os.ftruncate(one, 4096)
		maps = [mmap.mmap(fd, 4096) for fd in (one, two)]
		maps[0][:4] = b"seen"
		assert maps[1][:4] == b"seen" and os.pread(two, 4, 0) == b"seen"
		assert os.fstat(one).st_ino == os.fstat(two).st_ino

		# A number that only who holds the lock may change.
		def count(mount, lock):
		    fd = os.open(f"{mount}/shm/a", os.O_RDWR)
		    for _ in range(N // EACH):
		        lock(fd, fcntl.LOCK_EX)
		        n = int(os.pread(fd, 10, 100))
		        os.pwrite(fd, b"%10d" % (n + 1), 100)
		        lock(fd, fcntl.LOCK_UN)
		for lock in fcntl.flock, fcntl.lockf:
		    os.pwrite(one, b"%10d" % 0, 100)
		    join(*[fork(count, mounts[i % 2], lock) for i in range(EACH)])
		    assert int(os.pread(two, 10, 100)) == N
		    lock(one, fcntl.LOCK_EX)
		    fails([errno.EAGAIN], lock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
		    lock(one, fcntl.LOCK_UN)
		    lock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
		    lock(two, fcntl.LOCK_UN)

		# Who waits at either gets each message once.
		got = Counters(N)
		def reader(mount):
		    fd = os.open(f"{mount}/mq:follow/q", os.O_RDONLY)
		    while (data := os.read(fd, 10)) != b"end":
		        got.add(int(data))
		def writer(mount, first):
		    fd = os.open(f"{mount}/mq/q", os.O_WRONLY)
		    for i in range(first, N, EACH):
		        os.write(fd, b"%d" % i)
		readers = [fork(reader, mounts[i % 2]) for i in range(EACH)]
		until(waits, *readers)
		join(*[fork(writer, mounts[i % 2], i) for i in range(EACH)])
		mqd = native.mq_open("q", os.O_WRONLY)
		for _ in readers:
		    native.mq_send(mqd, b"end")
		join(*readers)
		assert all(got[i] == 1 for i in range(N))
	END
	rm "$WORK/second/shm/a" "$WORK/second/mq/q"
	is_empty "$SHM"
	is_empty "$MQ"
	umount "$WORK/second"
	ends_well
}

@test "a daemon that is stopped: nothing is lost, and who comes then can be killed" {
	native create q 2 10
	ipcfs_start
	timeout 60 python3 - "$DAEMON" <<-'END'
		from client import *
		import ctypes, errno, native, signal
		daemon, N = int(sys.argv[1]), 20
		got, interrupted = Counters(2), Counters(N)
		signal.signal(signal.SIGUSR1, lambda *_: None)

		def is_stopped():
		    return all(" T " in open(f"/proc/{daemon}/task/{t}/stat").read()
		               for t in os.listdir(f"/proc/{daemon}/task"))

		def reader(i):
		    fd = os.open(f"{MQ}/q", os.O_RDONLY)
		    buf = ctypes.create_string_buffer(10)
		    # Not os.read(), which tries again after EINTR.
		    n = native.libc.read(fd, buf, 10)
		    if n > 0:
		        got.add(int(buf.raw[:n]))
		    else:
		        assert ctypes.get_errno() == errno.EINTR
		        interrupted.add(i)

		readers = [fork(reader, i) for i in range(N)]
		until(lambda: waits(*readers) and is_idle(daemon))
		os.kill(daemon, signal.SIGSTOP)
		until(is_stopped)
		mqd = native.mq_open("q", os.O_RDWR)
		for i in range(2):
		    native.mq_send(mqd, b"%d" % i)
		# The daemon has heard of these: they wait for what it says.
		for pid in readers:
		    os.kill(pid, signal.SIGUSR1)
		late = [fork(os.stat, f"{MQ}/{i}") for i in range(N)]
		until(waits, *late)
		for pid in late:
		    os.kill(pid, signal.SIGTERM)
		    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
		assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in readers)
		os.kill(daemon, signal.SIGCONT)
		join(*readers)
		left = native.mq_attr(mqd).curmsgs
		assert got[0] + got[1] + left == 2, (got[0], got[1], left)
		assert got[0] < 2 and got[1] < 2 and got[0] + got[1] + sum(interrupted) == N
		assert os.stat(f"{MQ}/q").st_size == left
	END
	rm "$MQ/q"
	ends_well
}
