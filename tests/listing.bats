# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Directories with very many names, and directories that change while they are listed.

load mount.bash

USER=4001 OTHER=4002

setup() {
	# MALLOC_PERTURB_ writes to reserved memory, which then counts as used.
	unset MALLOC_PERTURB_
	ipcfs_prepare
	export SHM MQ MNT
}

teardown() {
	find /dev/shm -type f -delete
	rm -f "$NATIVE"/*
	ipcfs_end
}

# mount_for_all [OPTION...]
mount_for_all() {
	ipcfs_start -o allow_other "$@"
	let_all_in
}

# make_objects COUNT
make_objects() {
	seq -f '/dev/shm/object%.0f' "$1" | xargs touch
}

# as_root ARG...: runs a Python program from stdin.
as_root() {
	timeout 200 python3 -c "import os, sys
from client import *
from getdents import *
$(cat)" "$@"
}

@test "a hundred listings of 200,000 names take no memory of the daemon" {
	names=200000
	# The sanitizers are slow, and use memory of their own.
	! ldd "$IPCFS" | grep -q 'lib[at]san' || names=5000
	make_objects $names
	: >/dev/shm/another
	mount_for_all
	echo 5 >"/proc/$DAEMON/clear_refs"
	as_root $names $USER $OTHER >&3 <<-'END'
		import statistics
		names, user, other = map(int, sys.argv[1:])

		def stats(when, end):
		    times = []
		    while not end(times):
		        began = time.monotonic()
		        os.stat(f"{SHM}/another")
		        times.append(1000 * (time.monotonic() - began))
		    print(f"# a stat by another user, {when}: median {statistics.median(times):.2f} ms,"
		          f" longest {max(times):.1f} ms, of {len(times)}", flush=True)

		def lists(ready, begin):
		    fd = os.open(SHM, os.O_RDONLY)
		    size = raw(fd)
		    os.write(ready, b"x")
		    os.read(begin, 1)
		    while n := raw(fd):
		        size += n
		    assert size >= 32 * names, size

		ready, begin = os.pipe(), os.pipe()
		join(as_user(other, stats, "idle", lambda times: len(times) == 1000))
		listers = [as_user(user, lists, ready[1], begin[0]) for _ in range(100)]
		for _ in listers:
		    os.read(ready[0], 1)
		bystander = as_user(other, stats, "beside a hundred lists", lambda _: said("listed"))
		os.write(begin[1], b"x" * len(listers))
		join(*listers)
		say("listed")
		join(bystander)
	END
	most=$(awk '/^VmHWM:/ { print $2 }' "/proc/$DAEMON/status")
	echo "# the daemon had at most $most KiB" >&3
	[ $names -lt 200000 ] || [ "$most" -lt $((32 * 1024)) ]
}

@test "a user with a limit of one open file can list 300,000 names" {
	names=300000
	! ldd "$IPCFS" | grep -q 'lib[at]san' || names=30000
	make_objects $names
	mount_for_all -o max_user_handles=1
	[ "$(setpriv --reuid $USER --regid $USER --clear-groups find "$SHM" -type f | wc -l)" -eq $names ]
}

@test "names that stay while other names come and go are listed once" {
	mount_for_all
	# Kept names and removed names alternate.
	as_root <<-'END'
		import native
		def make_queue(path):
		    os.close(native.mq_open(os.path.basename(path), os.O_RDWR | os.O_CREAT, 0o600, 1, 1))
		HOW = {"shm": ("/dev/shm", lambda path: open(path, "w").close()),
		       "mq": (os.environ["NATIVE"], make_queue)}
		count = 0

		def change(natively, make):
		    """Removes an object, and creates another."""
		    global count
		    os.unlink(f"{natively}/goes{count}")
		    count += 1
		    make(f"{natively}/goes{count + 29}")

		# Buffers from a part of one reply of the daemon to all of it.
		for name, (natively, make) in HOW.items():
		    stays = {f"stays{i}" for i in range(60)}
		    for i in range(60):
		        make(f"{natively}/stays{i}")
		        if i % 2:
		            make(f"{natively}/goes{count + i // 2}")
		    for size in 100, 300, 1000, 4096, 32768:
		        fd, found = os.open(f"{MNT}/{name}", os.O_RDONLY), []
		        while some := getdents(fd, size):
		            found += [name for name, _ in some if name in stays]
		            change(natively, make)
		        os.close(fd)
		        assert sorted(found) == sorted(stays), (name, size, found)
		    for path in os.listdir(natively):
		        os.unlink(f"{natively}/{path}")
	END
}

@test "processes that share a directory's descriptor list each name once" {
	make_objects 20000
	mount_for_all
	as_root <<-'END'
		fd = os.open(SHM, os.O_RDONLY)
		def lists(i):
		    with open(f"{WORK}/list{i}", "w") as f:
		        f.writelines(f"{name}\n" for name, _ in all_of(fd, 500 * (i + 1)))
		join(*[fork(lists, i) for i in range(4)])
		found = [line for i in range(4) for line in open(f"{WORK}/list{i}")]
		assert len(found) == len(set(found)) == 20002, len(found)
	END
}

@test "telldir, seekdir and rewinddir work as natively" {
	make_objects 1000
	mount_for_all
	as_root <<-'END'
		here, there = (os.open(dir, os.O_RDONLY) for dir in (SHM, "/dev/shm"))
		for size in 32768, 300:
		    os.lseek(here, 0, os.SEEK_SET), os.lseek(there, 0, os.SEEK_SET)
		    entries = all_of(there)
		    assert all_of(here, size) == entries
		    assert getdents(here) == []
		    for i in 0, 1, 2, 3, 500, 998, 1000, 1001:
		        os.lseek(here, entries[i][1], os.SEEK_SET)
		        assert all_of(here, size) == entries[i + 1:], i
		    os.lseek(here, 1 << 40, os.SEEK_SET), os.lseek(there, 1 << 40, os.SEEK_SET)
		    assert all_of(here) == all_of(there)
		# After lseek(0) the listing shows the changes.
		os.unlink("/dev/shm/object7")
		open("/dev/shm/new", "w").close()
		os.lseek(here, 0, os.SEEK_SET), os.lseek(there, 0, os.SEEK_SET)
		assert getdents(here)[:5] == getdents(there)[:5]
		os.lseek(here, 0, os.SEEK_SET), os.lseek(there, 0, os.SEEK_SET)
		found = all_of(here)
		assert found == all_of(there)
		assert {"object7", "new"} & {name for name, _ in found} == {"new"}
		# The root isn't backed by a directory.
		fd = os.open(MNT, os.O_RDONLY)
		entries = all_of(fd)
		assert [name for name, _ in entries] == [".", "..", "shm", "mq", "sem"], entries
		for i in range(len(entries)):
		    os.lseek(fd, entries[i][1], os.SEEK_SET)
		    assert all_of(fd, 32) == entries[i + 1:]
		os.lseek(fd, 1 << 40, os.SEEK_SET)
		assert all_of(fd) == []
	END
}

@test "a listing shows all objects among very many semaphores" {
	: >/dev/shm/first
	seq -f '/dev/shm/sem.a%.0f' 5000 | xargs touch
	: >/dev/shm/middle
	mkfifo /dev/shm/fifo
	seq -f '/dev/shm/sem.b%.0f' 5000 | xargs touch
	: >/dev/shm/last
	seq -f '/dev/shm/sem.c%.0f' 5000 | xargs touch
	mount_for_all
	[ "$(ls "$SHM")" = $'first\nlast\nmiddle' ]
	rm /dev/shm/{first,middle,last}
	[ -z "$(ls "$SHM")" ]
	rm /dev/shm/fifo
}
