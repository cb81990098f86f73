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

@test "what is written through the mount is in the object" {
	echo hello >"$SHM/a"
	[ "$(native shm-read a)" = hello ]
	[ "$(cat "$SHM/a")" = hello ]
	rm "$SHM/a"
	run native shm-read a
	[ "$output" = ENOENT ]
}

@test "an object made natively is there at once, and its changes too" {
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

@test "stat is the object's own in every field but the device" {
	local format='%i %s %b %B %a %u %g %h %x %y %z %F %o'

	head -c 100000 /dev/urandom >"$SHM/a"
	chmod 640 "$SHM/a"
	chown 12:34 "$SHM/a"
	touch -d '2001-02-03 04:05:06.789' "$SHM/a"
	[ "$(stat -c "$format" "$SHM/a")" = "$(stat -c "$format" /dev/shm/a)" ]
	[ "$(stat -c '%a %u %g %y' /dev/shm/a)" = \
		"640 12 34 2001-02-03 04:05:06.789000000 +0000" ]
	rm "$SHM/a"
}

@test "fstat of an object that has no name any more" {
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

@test "the umask of the caller holds" {
	(umask 027 && : >"$SHM/a")
	[ "$(stat -c %a /dev/shm/a)" = 640 ]
	(umask 0 && : >"$SHM/b")
	[ "$(stat -c %a /dev/shm/b)" = 666 ]
	rm "$SHM/a" "$SHM/b"
}

@test "truncate up is zero filled and sparse, and down cuts" {
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

@test "O_APPEND goes to the end, also when others made it grow" {
	echo a >"$SHM/a"
	exec 5>>"$SHM/a"
	echo b >>/dev/shm/a
	echo c >&5
	exec 5>&-
	[ "$(cat "$SHM/a")" = $'a\nb\nc' ]
	# Two who append lose nothing of each other.
	seq 1000 >>"$SHM/a" 3>&- &
	seq 1000 >>/dev/shm/a
	wait $!
	[ "$(wc -l <"$SHM/a")" -eq 2003 ]
	rm "$SHM/a"
}

@test "O_EXCL, O_TRUNC and the open of what isn't there" {
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

@test "whoever has it open keeps it after rm; a new one is another" {
	echo old >"$SHM/a"
	exec 5<"$SHM/a"
	rm "$SHM/a"
	echo new >"$SHM/a"
	[ "$(cat <&5)" = old ]
	[ "$(cat "$SHM/a")" = new ]
	exec 5<&-
	rm "$SHM/a"
}

@test "a name given to another object is followed to that" {
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

@test "an object moved natively while it is open keeps its identity" {
	echo one >"$SHM/a"
	exec 5<"$SHM/a"
	mv /dev/shm/a /dev/shm/b
	[ "$(stat -Lc %i /proc/self/fd/5)" = "$(stat -c %i /dev/shm/b)" ]
	[ ! -e "$SHM/a" ]
	[ "$(stat -c %i "$SHM/b")" = "$(stat -c %i /dev/shm/b)" ]
	exec 5<&-
	rm "$SHM/b"
}

@test "the listing has objects only" {
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

@test "the listing stays whole while objects come and go" {
	seq -f "$SHM/stays.%g" 2000 | xargs touch
	(while :; do touch /dev/shm/goes.{1..50}; rm /dev/shm/goes.*; done) 3>&- &
	churn=$!
	for _ in 1 2 3 4 5; do
		# shellcheck disable=SC2010 # the names are known
		[ "$(ls -l "$SHM" 2>/dev/null | grep -c stays)" -eq 2000 ]
	done
	kill $churn
	wait $churn || true
	rm -f /dev/shm/*
}

@test "a descriptor of the directory can be rewound" {
	python3 - "$SHM" <<-'END'
		import os, sys
		d = os.open(sys.argv[1], os.O_RDONLY)
		assert os.listdir(d) == []
		open(sys.argv[1] + "/a", "w").close()
		assert os.listdir(d) == ["a"]
		os.unlink(sys.argv[1] + "/a")
	END
}

@test "df is that of the shared memory" {
	[ "$(df --output=size,itotal "$SHM" | tail -1)" = \
		"$(df --output=size,itotal /dev/shm | tail -1)" ]
	[ "$(df --output=size "$MNT" | tail -1)" = \
		"$(df --output=size /dev/shm | tail -1)" ]
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

@test "what objects aren't is EPERM" {
	echo x >"$SHM/a"
	for command in "mkdir $SHM/d" "ln $SHM/a $SHM/b" "ln -s a $SHM/b" \
		"mkfifo $SHM/b" "mknod $SHM/b c 1 3" "rmdir $MNT/mq" \
		"mkdir $MNT/new" "touch $MNT/new" "chmod 700 $SHM"; do
		# shellcheck disable=SC2086 # words
		run $command
		echo "$command: $output"
		[[ $output == *"Operation not permitted" ]]
	done
	rm "$SHM/a"
}

@test "mmap: shared is refused, private reads the data" {
	printf 0123456789 >"$SHM/a"
	python3 - "$SHM/a" <<-'END'
		import errno, mmap, sys
		f = open(sys.argv[1], "r+b")
		try:
		    mmap.mmap(f.fileno(), 10)
		    sys.exit("MAP_SHARED was given")
		except OSError as e:
		    assert e.errno == errno.ENODEV, e
		assert mmap.mmap(f.fileno(), 10, mmap.MAP_PRIVATE)[:] == b"0123456789"
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

@test "Python's shared_memory sees it, and is seen" {
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

@test "nothing is pinned: memory is free after a native unlink" {
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
