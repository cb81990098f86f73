# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What a user may try to use the daemon up, or to get around a rule.

load mount.bash

USER=4001

# mount_for_all [OPTION...]
mount_for_all() {
	ipcfs_start -o allow_other "$@"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$WORK"
	chmod 711 "$(dirname "$BATS_TEST_TMPDIR")"
}

setup() {
	ipcfs_prepare
	export SHM MQ MNT
}

teardown() {
	ipcfs_end
}

# as_python: runs a program from stdin, as that user.
as_python() {
	setpriv --reuid $USER --regid $USER --clear-groups timeout 60 python3 -
}

@test "descriptors for record locks count as open files" {
	mount_for_all -o max_user_handles=20
	as_python <<-'END'
		import errno, fcntl, os, time
		shm = os.environ["SHM"]
		files = [os.open(f"{shm}/{i}", os.O_RDWR | os.O_CREAT) for i in range(5)]
		ready, ends = os.pipe(), os.pipe()
		for _ in range(10):
		    if os.fork() == 0:
		        os.close(ends[1])
		        n = 0
		        for fd in files:
		            try:
		                fcntl.lockf(fd, fcntl.LOCK_SH)
		                n += 1
		            except OSError as e:
		                assert e.errno == errno.ENOLCK, e
		        os.write(ready[1], b"x" * n + b".")
		        os.read(ends[0], 1)
		        os._exit(0)
		got = b""
		while got.count(b".") < 10:
		    got += os.read(ready[0], 100)
		assert got.count(b"x") == 15, got
		os.close(ends[1])
		for _ in range(10):
		    assert os.wait()[1] == 0
		fcntl.lockf(files[0], fcntl.LOCK_EX)
	END
	rm "$SHM"/*
}

@test "descriptors kept for a name that was replaced count as open files" {
	mount_for_all -o max_user_handles=20
	: >"$MQ:maxmsg=1,msgsize=1/q"
	PYTHONPATH=$TESTS PYTHONDONTWRITEBYTECODE=1 WORK=$WORK \
		timeout 60 python3 - "$DAEMON" $USER <<-'END'
		import os, sys
		from client import until
		shm, mq = os.environ["SHM"], os.environ["MQ"]
		daemon, user = map(int, sys.argv[1:])
		ready, ends = os.pipe(), os.pipe()
		def n_fds():
		    return len(os.listdir(f"/proc/{daemon}/fd"))
		before = n_fds()
		if os.fork() == 0:
		    os.close(ends[1])
		    os.setresuid(user, user, user)
		    os.close(os.open(f"{shm}/a", os.O_RDWR | os.O_CREAT))
		    gone = os.open(f"{shm}/a", os.O_PATH)
		    os.unlink("/dev/shm/a")
		    found = []
		    for _ in range(100):
		        try:
		            os.fstat(gone)
		        except OSError:
		            pass
		        found.append(os.open(f"{mq}/q", os.O_PATH))
		    os.write(ready[1], b"x")
		    os.read(ends[0], 1)
		    os._exit(0)
		os.close(ready[1])
		assert os.read(ready[0], 1) == b"x"
		# What requests have open for a moment goes.
		until(lambda: 10 < n_fds() - before <= 20)
		os.write(ends[1], b"x")
		assert os.wait()[1] == 0
	END
	rm "$MQ/q"
}

@test "a lease on an object keeps no worker of the daemon waiting" {
	mount_for_all
	as_python <<-'END'
		import errno, fcntl, os, signal
		signal.signal(signal.SIGIO, signal.SIG_IGN)
		path = f"{os.environ['SHM']}/a"
		held = os.open("/dev/shm/a", os.O_RDWR | os.O_CREAT)
		fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
		for call in (lambda: os.truncate(path, 1),
		             lambda: os.open(path, os.O_WRONLY | os.O_TRUNC)):
		    try:
		        call()
		        raise AssertionError("it went on")
		    except OSError as e:
		        assert e.errno == errno.EAGAIN, e
		fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
		os.truncate(path, 1)
	END
	rm "$SHM/a"
}

@test "long lists of a directory count as open files" {
	seq -f '/dev/shm/%.0f' 2000 | xargs touch
	mount_for_all -o max_user_handles=30
	as_python <<-'END'
		import ctypes, errno, os
		libc = ctypes.CDLL(None, use_errno=True)
		libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
		libc.readdir.argtypes = [ctypes.c_void_p]
		n = 0
		while True:
		    dir = libc.opendir(os.environ["SHM"].encode())
		    if not dir or not libc.readdir(dir):
		        assert ctypes.get_errno() == errno.EMFILE, ctypes.get_errno()
		        break
		    n += 1
		assert n == 3, n
	END
	[ "$(find "$SHM" -type f | wc -l)" -eq 2000 ]
	find /dev/shm -type f -delete
}

@test "who is in very many groups leaves nothing behind in the daemon" {
	mount_for_all
	for _ in {1..50}; do
		setpriv --reuid $USER --regid $USER --groups "$(seq -s, 5000 5200)" \
			test -x "$MNT"
	done
	# The address sanitizer, if it is there, sees it at the end.
}

@test "a view's name is a name, and not too long for one" {
	mount_for_all -d
	long=$(printf 'priority=%0300d' 1)
	run ls "$MQ:$long"
	[[ $output == *"File name too long" ]]
	run ls "$MQ:$(printf 'priority=%0200d' 1)"
	[ "$status" -eq 0 ]
	: >"$LOG"
	umount "$MNT"
	wait "$DAEMON"
	: >"$LOG"
	ipcfs_start
}

@test "what may not be executed in /dev/shm may not through the mount" {
	mount -o remount,noexec /dev/shm
	cp "$(type -P true)" /dev/shm/a
	mount_for_all
	grep " $MNT fuse.ipcfs .*noexec" /proc/self/mounts
	run "$SHM/a"
	[ "$status" -eq 126 ]
	as_python <<-'END'
		import mmap, os
		fd = os.open(f"{os.environ['SHM']}/a", os.O_RDONLY)
		try:
		    mmap.mmap(fd, 100, prot=mmap.PROT_READ | mmap.PROT_EXEC)
		    raise AssertionError("it was mapped")
		except PermissionError:
		    pass
	END
	rm "$SHM/a"
	mount -o remount,exec /dev/shm
}

@test "what is mounted over a name in /dev/shm is no object" {
	echo theirs >"$WORK/file"
	: >/dev/shm/a
	mount --bind "$WORK/file" /dev/shm/a
	mount_for_all
	for command in "cat $SHM/a" "echo >$SHM/a" "stat $SHM/a" "chmod 777 $SHM/a"; do
		not bash -c "$command" 2>/dev/null
	done
	[ "$(cat "$WORK/file")" = theirs ]
	umount /dev/shm/a
	[ -z "$(cat "$SHM/a")" ]
	rm "$SHM/a"
}

@test "who holds an inode's lock for ever holds up no other user" {
	mkdir "$WORK/silent"
	mount_for_all -o max_user_waiting=30
	"$IPCFS" -f -o allow_other,nopassthrough "$WORK/silent" 3>&- &
	SILENT=$!
	eventually mountpoint -q "$WORK/silent"
	truncate -s 4096 /dev/shm/b
	chmod 644 /dev/shm/b
	PYTHONPATH=$TESTS PYTHONDONTWRITEBYTECODE=1 WORK=$WORK \
		timeout 60 python3 - "$DAEMON" $SILENT $USER <<-'END'
		import errno, glob, mmap, os, signal, sys
		from client import MNT, MQ, SHM, WORK, fails, fork, join, until, waits
		daemon, silent, user = map(int, sys.argv[1:])

		def as_user(user, f, *args):
		    def run():
		        os.setgroups([])
		        os.setresgid(user, user, user)
		        os.setresuid(user, user, user)
		        f(*args)
		    return fork(run)

		mapped, stopped = os.pipe(), os.pipe()

		# A write takes its bytes from a file whose server doesn't answer.
		def hold():
		    target = os.open("/dev/shm/a", os.O_RDWR | os.O_CREAT)
		    file = os.open(f"{WORK}/silent/shm/b", os.O_RDONLY)
		    bytes = mmap.mmap(file, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
		    os.write(mapped[1], b"x")
		    os.read(stopped[0], 1)
		    os.write(target, bytes)

		def open_truncating():
		    try:
		        os.close(os.open(f"{SHM}/a", os.O_WRONLY | os.O_TRUNC))
		    except BlockingIOError:
		        pass

		def stat():
		    os.stat(f"{SHM}/b")

		def is_in(state, pid):
		    return all(open(stat).read().split()[2] == state
		               for stat in glob.glob(f"/proc/{pid}/task/*/stat"))

		def use_all():
		    path = f"{SHM}/c"
		    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
		    os.truncate(path, 10)
		    os.listdir(SHM)
		    os.unlink(path)
		    path = f"{MNT}/mq:maxmsg=1,msgsize=10/c"
		    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
		    os.write(fd, b"x")
		    assert os.read(fd, 10) == b"x"
		    os.close(fd)
		    os.unlink(path)

		holder = as_user(user, hold)
		os.read(mapped[0], 1)
		os.kill(silent, signal.SIGSTOP)
		until(is_in, "T", silent)
		os.write(stopped[1], b"x")
		try:
		    until(is_in, "D", holder)
		    # Half of the workers, what may wait for one, and one too many.
		    pids = []
		    while not pids or not is_in("Z", pids[-1]):
		        pids.append(as_user(user, open_truncating))
		        until(lambda: waits(pids[-1]) or is_in("Z", pids[-1]))
		    assert 30 < len(pids) <= 12 + 30 + 1, len(pids)
		    join(as_user(user, fails, [errno.EAGAIN], stat))
		    for other in user + 1, user + 2, 0:
		        join(as_user(other, use_all))
		    assert len(os.listdir(f"/proc/{daemon}/task")) < 32
		finally:
		    os.kill(silent, signal.SIGCONT)
		join(holder, *pids)
		join(as_user(user, use_all))
	END
	rm /dev/shm/[ab]
	umount "$WORK/silent"
	wait $SILENT
}
