# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Shared memory objects as files, with the tools that people use.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

@test "data written through the mount is in the object" {
	echo hello >"$SHM/a"
	[ "$(native shm-read a)" = hello ]
	[ "$(cat "$SHM/a")" = hello ]
	rm "$SHM/a"
	run native shm-read a
	[ "$output" = ENOENT ]
}

@test "native objects and changes are visible at once" {
	native shm-create a one
	[ "$(cat "$SHM/a")" = one ]
	exec 5<"$SHM/a"
	echo longer >/dev/shm/a
	[ "$(cat <&5)" = longer ]
	exec 5<&-
	[ "$(stat -c %s "$SHM/a")" -eq 7 ]
	native shm-unlink a
	[ ! -e "$SHM/a" ]
}

@test "stat equals the object's in every field but the device" {
	local format='%i %s %b %B %a %u %g %h %x %y %z %F %o'

	# libfuse reports the time of birth since 3.18, if the C library has statx(2), as
	# musl has since 1.2.5; Linux since 6.6.
	[[ $("$IPCFS" -V) == *'libfuse 3.17'* || ${LIBC-} == musl ]] || ! is_linux 6.6 ||
		format+=' %w'
	head -c 100000 /dev/urandom >"$SHM/a"
	chmod 640 "$SHM/a"
	chown 12:34 "$SHM/a"
	touch -d '2001-02-03 04:05:06.789' "$SHM/a"
	[ "$(stat -c "$format" "$SHM/a")" = "$(stat -c "$format" /dev/shm/a)" ]
	[ "$(stat -c '%a %u %g %y' /dev/shm/a)" = \
		"640 12 34 2001-02-03 04:05:06.789000000 +0000" ]
	rm "$SHM/a"
}

@test "fstat of an unlinked object" {
	echo x >"$SHM/a"
	exec 5<>"$SHM/a"
	rm "$SHM/a"
	[ "$(stat -Lc '%h %s' /proc/self/fd/5)" = "0 2" ]
	echo more >&5
	truncate -s 3 /proc/self/fd/5 2>/dev/null || true
	python3 -c 'import os; os.fchmod(5, 0o612); os.ftruncate(5, 100)'
	[ "$(stat -Lc '%a %s' /proc/self/fd/5)" = "612 100" ]
	exec 5>&-
}

@test "the caller's umask applies" {
	(umask 027 && : >"$SHM/a")
	[ "$(stat -c %a /dev/shm/a)" = 640 ]
	(umask 0 && : >"$SHM/b")
	[ "$(stat -c %a /dev/shm/b)" = 666 ]
	rm "$SHM/a" "$SHM/b"
}

@test "truncate extends with zeros, sparsely, and cuts" {
	printf abc >"$SHM/a"
	truncate -s 1M "$SHM/a"
	[ "$(stat -c '%s %b' "$SHM/a")" = "1048576 8" ]
	cmp <(printf abc && head -c 1048573 /dev/zero) "$SHM/a"
	truncate -s 2 "$SHM/a"
	[ "$(cat "$SHM/a")" = ab ]
	[ "$(cat /dev/shm/a)" = ab ]
	rm "$SHM/a"
}

@test "a write beyond the end leaves a hole" {
	printf x | dd of="$SHM/a" bs=1 seek=10000 status=none
	[ "$(stat -c '%s %b' "$SHM/a")" = "10001 8" ]
	cmp <(head -c 10000 /dev/zero && printf x) /dev/shm/a
	rm "$SHM/a"
}

@test "O_APPEND writes at the end, also after another process has extended the object" {
	echo a >"$SHM/a"
	exec 5>>"$SHM/a"
	echo b >>/dev/shm/a
	echo c >&5
	exec 5>&-
	[ "$(cat "$SHM/a")" = $'a\nb\nc' ]
	# Two writers with O_APPEND lose nothing.
	seq 1000 >>"$SHM/a" 3>&- &
	seq 1000 >>/dev/shm/a
	wait $!
	[ "$(wc -l <"$SHM/a")" -eq 2003 ]
	rm "$SHM/a"
}

@test "O_EXCL, O_TRUNC, and open of a missing name" {
	run cat "$SHM/a"
	[[ $output == *"No such file or directory" ]]
	echo old >"$SHM/a"
	run bash -c "set -C; echo new >'$SHM/a'"
	[[ $output == *"cannot overwrite existing file"* ]]
	[ "$(cat "$SHM/a")" = old ]
	: >"$SHM/a"
	[ "$(stat -c %s "$SHM/a")" -eq 0 ]
	rm "$SHM/a"
}

@test "an open file stays usable after rm; a new one is another object" {
	echo old >"$SHM/a"
	exec 5<"$SHM/a"
	rm "$SHM/a"
	echo new >"$SHM/a"
	[ "$(cat <&5)" = old ]
	[ "$(cat "$SHM/a")" = new ]
	exec 5<&-
	rm "$SHM/a"
}

@test "a name that leads to another object now is followed" {
	echo one >"$SHM/a"
	exec 5<"$SHM/a"
	echo two >/dev/shm/b
	mv /dev/shm/b /dev/shm/a
	[ "$(cat "$SHM/a")" = two ]
	[ "$(cat <&5)" = one ]
	chmod 604 "$SHM/a"
	[ "$(stat -c %a /dev/shm/a)" = 604 ]
	exec 5<&-
	rm "$SHM/a"
}

@test "an open object that is renamed natively keeps its identity" {
	echo one >"$SHM/a"
	exec 5<"$SHM/a"
	mv /dev/shm/a /dev/shm/b
	[ "$(stat -Lc %i /proc/self/fd/5)" = "$(stat -c %i /dev/shm/b)" ]
	[ ! -e "$SHM/a" ]
	[ "$(stat -c %i "$SHM/b")" = "$(stat -c %i /dev/shm/b)" ]
	exec 5<&-
	rm "$SHM/b"
}

@test "the listing shows objects only" {
	echo x >/dev/shm/object
	echo x >/dev/shm/sem.name
	echo x >/dev/shm/.hidden
	mkfifo /dev/shm/fifo
	mkdir /dev/shm/dir
	ln -s object /dev/shm/link
	mknod /dev/shm/null c 1 3
	[ "$(ls -A "$SHM")" = $'.hidden\nobject' ]
	for other in fifo dir link null; do
		[ ! -e "$SHM/$other" ]
		run cat "$SHM/$other"
		[[ $output == *"No such file or directory" ]]
	done
	rm -r /dev/shm/{object,sem.name,.hidden,fifo,dir,link,null}
}

@test "files that aren't objects can't be opened, followed or changed" {
	timeout 250 python3 "$TESTS/shm_strangers.py" "$SHM" "$WORK"
}

@test "an object with two names is one object, and keeps the other name" {
	native shm-create a text
	ln "$SHM/a" "$SHM/b"
	[ "$(stat -c %h "$SHM/a" "$SHM/b" /dev/shm/a /dev/shm/b)" = $'2\n2\n2\n2' ]
	[ "$(stat -c '%h %i' "$SHM/a")" = "$(stat -c '%h %i' "$SHM/b")" ]
	exec 5<"$SHM/a" 6<"$SHM/b"
	chmod 640 "$SHM/b"
	[ "$(stat -c %a "$SHM/a")" = 640 ]
	rm "$SHM/a"
	[ "$(stat -Lc '%h' /proc/self/fd/5)" -eq 1 ]
	[ "$(cat "$SHM/b")" = text ]
	mv /dev/shm/b /dev/shm/c
	[ "$(cat "$SHM/c" /proc/self/fd/5 /proc/self/fd/6)" = texttexttext ]
	not stat "$SHM/b"
	exec 5<&- 6<&-
	rm "$SHM/c"
}

@test "an object that isn't open is found by both of its names" {
	python3 - "$SHM/a" "$SHM/b" <<-'END'
		import os, sys
		for gone, left in sys.argv[1:], sys.argv[:0:-1]:
		    os.close(os.open(sys.argv[1], os.O_CREAT))
		    fd = os.open(sys.argv[1], os.O_PATH)
		    os.link(*sys.argv[1:])
		    assert os.stat(sys.argv[1]).st_nlink == os.stat(sys.argv[2]).st_nlink == 2
		    os.unlink(gone)
		    assert os.fstat(fd).st_nlink == 1
		    os.stat(left)
		    assert os.fstat(fd).st_nlink == 1
		    os.unlink(left)
	END
}

@test "one name still works while the other name is removed" {
	: >"$SHM/a"
	: >"$WORK/goes_on"
	(while [ -e "$WORK/goes_on" ]; do
		ln "$SHM/a" "$SHM/b"
		[ -e "$SHM/b" ]
		rm "$SHM/b"
	done) 3>&- &
	python3 - "$SHM/a" <<-'END'
		import os, sys
		for _ in range(3000):
		    os.chmod(sys.argv[1], 0o600)
		    os.close(os.open(sys.argv[1], os.O_RDWR))
	END
	rm "$WORK/goes_on"
	wait $!
	rm "$SHM/a"
}

@test "ls -a shows . and .." {
	[ "$(ls -a "$SHM")" = $'.\n..' ]
	[ "$(ls -a "$MNT")" = $'.\n..\nmq\nsem\nshm' ]
}

@test "an unlinked object is opened again through /proc/self/fd" {
	for name in "$SHM/a" "$MQ/a"; do
		echo text >"$name"
		exec 5<"$name"
		rm "$name"
		[ "$(cat /proc/self/fd/5)" = text ]
		exec 5<&-
	done
}

# race CHANGE PART: uses a name through the mount while CHANGE runs natively, ROUNDS
# (100,000) / PART times. Each object contains its inode number. A call must succeed
# or fail with ENOENT, and the content read must be that of the object which fstat
# names. For one use in a hundred CHANGE pauses, so that the result is known.
race() {
	echo 0 >"$WORK/secret"
	timeout 250 python3 "$TESTS/shm_race.py" "$SHM" "$WORK/secret" "$@"
	rm -f /dev/shm/n /dev/shm/new
}

@test "use of a name that other processes replace all the time" {
	race replace 1
}

@test "use of a name that other processes remove and create all the time" {
	race unlink 4
}

@test "use of a name that is an object and another file in turn" {
	race other 4
}

@test "a listing is complete while objects come and go" {
	seq -f "$SHM/stays.%g" 2000 | xargs touch
	: >"$WORK/churn"
	(while [ -e "$WORK/churn" ]; do
		touch /dev/shm/goes.{1..50}
		rm /dev/shm/goes.*
	done) 3>&- &
	churn=$!
	for _ in 1 2 3 4 5; do
		# shellcheck disable=SC2010 # the names are known
		[ "$(ls -l "$SHM" 2>/dev/null | grep -c stays)" -eq 2000 ]
	done
	rm "$WORK/churn"
	wait $churn
	rm /dev/shm/*
}

@test "rewinddir on a directory's descriptor" {
	python3 - "$SHM" <<-'END'
		import os, sys
		d = os.open(sys.argv[1], os.O_RDONLY)
		assert os.listdir(d) == []
		open(sys.argv[1] + "/a", "w").close()
		assert os.listdir(d) == ["a"]
		d = os.open(sys.argv[1], os.O_RDONLY)
		open(sys.argv[1] + "/b", "w").close()
		os.lseek(d, 1, os.SEEK_SET)
		assert len(list(os.scandir(d))) == 2
		os.unlink(sys.argv[1] + "/b")
		os.unlink(sys.argv[1] + "/a")
	END
}

@test "df shows the shared memory file system" {
	[ "$(df --output=size,itotal "$SHM" | tail -1)" = \
		"$(df --output=size,itotal /dev/shm | tail -1)" ]
	local dir

	for dir in "$MNT" "$MNT/shm:info" "$SEM"; do
		[ "$(df --output=size "$dir" | tail -1)" = \
			"$(df --output=size /dev/shm | tail -1)" ]
	done
}

@test "names of any bytes, up to 255 of them" {
	local name long

	printf -v long '%255s' ''
	for name in 'two words' $'new\nline' $'\xff\xfe' .dot -dash '*' "${long// /x}" 'ü'; do
		echo "$name" >"$SHM/$name"
		[ "$(cat "/dev/shm/$name")" = "$name" ]
		[ "$(stat -c %i "$SHM/$name")" = "$(stat -c %i "/dev/shm/$name")" ]
		[ "$(find "$SHM" -type f | wc -c)" -gt 0 ]
		rm "$SHM/$name"
	done
	run touch "$SHM/${long// /x}x"
	[[ $output == *"File name too long" ]]
	run cat "$SHM/${long// /x}x"
	[[ $output == *"File name too long" ]]
}

@test "mkdir, symlink and mknod are EPERM" {
	echo x >"$SHM/a"
	for command in "mkdir $SHM/d" "mv $SHM/a $MQ/a" "ln $SHM/a $MQ/a" "ln -s a $SHM/b" \
		"mkfifo $SHM/b" "mknod $SHM/b c 1 3" "rmdir $MNT/mq" \
		"mkdir $MNT/new" "touch $MNT/new" "chmod 700 $MNT"; do
		# shellcheck disable=SC2086 # words
		run $command
		echo "$command: $output"
		[[ $output == *"Operation not permitted" ]]
	done
	rm "$SHM/a"
}

@test "shared mmap maps the object's memory, or fails" {
	python3 - "$SHM/a" "${IPCFS_OPTIONS-}" <<-'END'
		import errno, mmap, os, sys
		path, options = sys.argv[1:]
		fd = os.open(path, os.O_RDWR | os.O_CREAT)
		os.write(fd, b"0123456789")
		private = mmap.mmap(fd, 10, mmap.MAP_PRIVATE)
		assert private[:] == b"0123456789"
		native = mmap.mmap(os.open("/dev/shm/a", os.O_RDWR), 10)
		try:
		    shared = mmap.mmap(fd, 10)
		except OSError as e:
		    assert "nopassthrough" in options and e.errno == errno.ENODEV, e
		    sys.exit()
		assert "nopassthrough" not in options
		shared[0:3] = b"abc"
		assert native[:] == b"abc3456789"
		native[3:6] = b"def"
		assert shared[:] == b"abcdef6789"
		os.pwrite(fd, b"XYZ", 7)
		assert shared[:] == native[:] == b"abcdef6XYZ"
		private[0:1] = b"p"
		assert shared[0:1] == b"a" and os.pread(fd, 10, 0) == b"abcdef6XYZ"
	END
	rm "$SHM/a"
}

@test "cp, dd, tee, wc, sort -o and sed -n on objects" {
	seq 50000 >"$WORK/plain"
	cp "$WORK/plain" "$SHM/a"
	cmp "$WORK/plain" "$SHM/a"
	cp --preserve=all "$SHM/a" "$SHM/b"
	cmp "$SHM/a" /dev/shm/b
	dd if="$SHM/a" of="$SHM/c" bs=1000 status=none
	cmp "$SHM/a" "$SHM/c"
	tee "$SHM/d" <"$SHM/a" >/dev/null
	[ "$(wc -l <"$SHM/d")" -eq 50000 ]
	[ "$(sed -n 777p "$SHM/d")" = 777 ]
	sort -rn "$SHM/d" -o "$SHM/d"
	[ "$(head -n1 "$SHM/d")" = 50000 ]
	[ "$(tail -n1 "$SHM/d")" = 1 ]
	rm "$SHM"/?
}

@test "Python's shared_memory and the mount see each other's objects" {
	python3 - "$SHM" <<-'END'
		import os, sys
		from multiprocessing import shared_memory
		m = shared_memory.SharedMemory(name="py", create=True, size=10000)
		m.buf[:5] = b"hello"
		with open(sys.argv[1] + "/py", "r+b") as f:
		    assert f.read(5) == b"hello"
		    assert os.fstat(f.fileno()).st_size == 10000
		    f.seek(9995)
		    f.write(b"world")
		assert bytes(m.buf[9995:]) == b"world"
		m.close()
		m.unlink()
		assert not os.path.exists(sys.argv[1] + "/py")
	END
}

@test "rename is atomic; NOREPLACE and EXCHANGE work" {
	echo one >"$SHM/a"
	echo two >"$SHM/b"
	python3 - "$SHM" <<-'END'
		import ctypes, errno, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
		os.chdir(sys.argv[1])

		def rename(a, b, flags):
		    r = libc.renameat2(-100, a.encode(), -100, b.encode(), flags)
		    return ctypes.get_errno() if r else 0

		assert rename("a", "b", NOREPLACE) == errno.EEXIST
		assert rename("a", "b", EXCHANGE) == 0
		assert open("a").read() == "two\n"
		assert open("/dev/shm/b").read() == "one\n"
		assert rename("a", "c", NOREPLACE) == 0
		assert rename("a", "c", 0) == errno.ENOENT
		fd = os.open("b", os.O_RDWR)
		assert rename("c", "b", 0) == 0
		assert os.listdir(".") == ["b"]
		assert open("b").read() == "two\n"
		assert os.read(fd, 10) == b"one\n"
		assert os.fstat(fd).st_nlink == 0
	END
	mv "$SHM/b" "$SHM/moved"
	[ "$(cat /dev/shm/moved)" = two ]
	rm "$SHM/moved"
}

@test "O_TMPFILE makes an anonymous object whose descriptor can be sent" {
	python3 "$TESTS/shm_tmpfile.py" "$SHM"
}

@test "O_CREAT never fails while other processes unlink" {
	timeout 250 "$PROGRAMS/churn" $((2 * ${ROUNDS:-100000})) 6 "$SHM/a" 20
	rm -f "$SHM/a"
}

@test "fallocate, holes and size limits are those of tmpfs" {
	: >"$SHM/a"
	fallocate -l 100K "$SHM/a"
	[ "$(stat -c '%s %b' "$SHM/a")" = "102400 200" ]
	fallocate -n -o 1M -l 64K "$SHM/a"
	[ "$(stat -c '%s %b' "$SHM/a")" = "102400 328" ]
	fallocate -p -o 0 -l 64K "$SHM/a"
	[ "$(stat -c '%s %b' "$SHM/a")" = "$(stat -c '%s %b' /dev/shm/a)" ]
	run fallocate -c -o 0 -l 4K "$SHM/a"
	[[ $output == *"not supported" ]]
	rm "$SHM/a"
	printf x | dd of="$SHM/a" bs=1 seek=1M status=none
	python3 - "$SHM/a" /dev/shm/a <<-'END'
		import os, sys
		fds = [os.open(p, os.O_RDWR) for p in sys.argv[1:]]
		for fd in fds:
		    assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20
		    assert os.lseek(fd, 1 << 20, os.SEEK_HOLE) == (1 << 20) + 1
		    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
	END
	cp --sparse=always "$SHM/a" "$SHM/b"
	[ "$(stat -c %b "$SHM/b")" -eq 8 ]
	cmp "$SHM/a" /dev/shm/b
	rm "$SHM/a" "$SHM/b"
}

@test "copy_file_range copies the current content, to any size" {
	python3 "$TESTS/shm_copy.py" "$SHM"
	cp "$SHM/a" "$SHM/c"
	cmp "$SHM/a" /dev/shm/c
	rm "$SHM"/?
}

@test "extended attributes are those of the object" {
	: >"$SHM/a"
	setfattr -n user.origin -v here "$SHM/a"
	[ "$(getfattr --only-values -n user.origin /dev/shm/a)" = here ]
	setfattr -n user.other -v there /dev/shm/a
	[ "$(getfattr -d "$SHM/a" 2>/dev/null | grep -c ^user)" -eq 2 ]
	setfattr -x user.origin "$SHM/a"
	run getfattr -n user.origin "$SHM/a"
	[[ $output == *"No such attribute" ]]
	python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]))' "$SHM/a"
	rm "$SHM/a"
}

@test "after every kind of change stat equals the native one" {
	python3 "$TESTS/shm_stat.py" "$SHM/a" /dev/shm/a
	rm "$SHM/a"
}

@test "rights on the directory and on programs are as natively" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	cp /bin/true /dev/shm/program
	# setpriv(1) keeps capabilities until the exec, so it can't be used here.
	as_nobody() {
		python3 -c 'import os, sys
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
	}
	for mode in 755 744 711 600; do
		chmod $mode /dev/shm/program
		run as_nobody /dev/shm/program
		native=$status
		run as_nobody "$SHM/program"
		# A user who may execute but not read a program could read it as its tracer.
		[ "$status" -eq $((mode == 711 ? 1 : native)) ]
		run as_nobody wc -c "$SHM/program"
		[ "$status" -eq $((mode == 755 || mode == 744 ? 0 : 1)) ]
	done
	rm /dev/shm/program
	for mode in 1777 0733 0755 0700; do
		chmod $mode /dev/shm
		for command in ls "test -w" "test -r" "test -x" "env -C"; do
			# shellcheck disable=SC2086 # words
			run as_nobody $command /dev/shm true
			native=$status
			# shellcheck disable=SC2086 # words
			run as_nobody $command "$SHM" true
			echo "$mode $command: $status, natively $native"
			[ "$status" -eq "$native" ]
		done
	done
	chmod 1777 /dev/shm
}

@test "each bit of a mode is kept, also one that leaves the owner no right" {
	python3 - "$SHM/a" <<-'END'
		import os, sys
		path = sys.argv[1]
		os.umask(0)
		for bit in (1 << n for n in range(9)):
		    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, bit)
		    assert os.fstat(fd).st_mode == 0o100000 | bit
		    assert os.write(fd, b"data") == 4 and os.pread(fd, 9, 0) == b"data"
		    os.fchmod(fd, 0o777 & ~bit)
		    assert os.fstat(fd).st_mode == 0o100777 & ~bit
		    os.close(fd)
		    os.unlink(path)
	END
}

@test "setuid and setgid bits are cleared as natively" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	for dir in /dev/shm "$SHM"; do
		python3 "$TESTS/shm_setuid.py" "$dir/a"
	done
}

@test "a native unlink frees the memory at once" {
	local before

	before=$(df --output=used /dev/shm | tail -1)
	head -c 10M /dev/zero >/dev/shm/a
	ls -l "$SHM" >/dev/null
	stat "$SHM/a" >/dev/null
	cat "$SHM/a" >/dev/null
	native shm-unlink a
	gone() { [ "$(df --output=used /dev/shm | tail -1)" -eq "$before" ]; }
	eventually gone
}
