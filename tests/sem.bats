# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Named semaphores as files, beside the C library's own calls.

load mount.bash

setup() {
	ipcfs_mount -o allow_other
	let_all_in
}

teardown() {
	ipcfs_end
}

value() {
	native sem-value "$1"
}

has_value() {
	[ "$(value "$1")" = "$2" ]
}

# take N NAME: runs "echo -N" in the background, in a process that signals can end.
take() {
	env --default-signal=INT,TERM printf '%s\n' "-$1" >"$SEM/$2" 2>"$WORK/error" 3>&- &
}

has_waiters() {
	grep -qx "waiters $2" "$MNT/sem:info/$1"
}

# says TEXT WORDS...: a write of printf WORDS must fail with TEXT, and change nothing.
says() {
	local before

	before=$(value a)
	run bash -c 'env printf -- "$1" >"$SEM/a"' - "$2"
	echo "$2: $output"
	[[ $output == *"$1" ]]
	has_value a "$before"
}

@test "a value can be read, posted, taken and set" {
	native sem-create a 3
	[ "$(ls "$SEM")" = a ]
	[ "$(cat "$SEM/a")" = 3 ]
	echo +2 >"$SEM/a"
	has_value a 5
	echo -4 >"$SEM/a"
	has_value a 1
	echo 7 >"$SEM/a"
	has_value a 7
	printf 0 >"$SEM/a"
	has_value a 0
	echo 2147483647 >"$SEM/a"
	[ "$(cat "$SEM/a")" = 2147483647 ]
	native sem-wait a
	[ "$(cat "$SEM/a")" = 2147483646 ]
	echo -0 >"$SEM/a"
	echo +0000000000001 >>"$SEM/a"
	has_value a 2147483647
	rm "$SEM/a"
	run native sem-value a
	[ "$output" = ENOENT ]
}

@test "cat, head, tail, read and Python's open read a value" {
	native sem-create a 1234
	[ "$(head -c 2 "$SEM/a")" = 12 ]
	[ "$(tail "$SEM/a")" = 1234 ]
	[ "$(dd bs=1 if="$SEM/a" status=none)" = 1234 ]
	read -r line <"$SEM/a"
	[ "$line" = 1234 ]
	cp "$SEM/a" "$WORK/copy"
	[ "$(cat "$WORK/copy")" = 1234 ]
	python3 - "$SEM/a" <<-'END'
		import os, sys
		with open(sys.argv[1]) as f:
		    assert f.read() == "1234\n"
		fd = os.open(sys.argv[1], os.O_RDONLY)
		# A reader that has begun keeps the same text.
		assert os.read(fd, 1) == b"1"
		with open(sys.argv[1], "w") as f:
		    f.write("98765")
		assert os.read(fd, 100) == b"234\n" and os.read(fd, 100) == b""
		os.lseek(fd, 0, os.SEEK_SET)
		assert os.pread(fd, 3, 1) == b"234"
		assert os.read(fd, 100) == b"98765\n" and os.read(fd, 100) == b""
		assert os.pread(fd, 100, 0) == b"98765\n"
		assert os.pread(fd, 3, 2) == b"765" and os.pread(fd, 3, 2**62) == b""
		try:
		    sys.exit(os.lseek(fd, 0, os.SEEK_END))
		except OSError as e:
		    assert e.strerror == "Illegal seek", e
		# Without a position, the read after an end of file begins anew.
		fd = os.open(sys.argv[1], os.O_RDWR)
		for _ in range(2):
		    assert os.read(fd, 4) == b"9876"
		    assert os.read(fd, 4) == b"5\n" and os.read(fd, 4) == b""
		os.write(fd, b"-98765")
		assert os.read(fd, 4) == b"0\n"
	END
	rm "$SEM/a"
}

@test "stat equals the file's in every field but the device and the size" {
	local format='%i %a %u %g %h %x %y %z %o'

	native sem-create a 1 600
	chmod 640 "$SEM/a"
	chown 12:34 "$SEM/a"
	touch -d '2001-02-03 04:05:06.789' "$SEM/a"
	[ "$(stat -c "$format" "$SEM/a")" = "$(stat -c "$format" /dev/shm/sem.a)" ]
	[ "$(stat -c '%a %u %g %Y' /dev/shm/sem.a)" = "640 12 34 $(stat -c %Y "$SEM/a")" ]
	[ "$(stat -c '%s %b %F' "$SEM/a")" = "0 0 regular empty file" ]
	exec 5<"$SEM/a"
	[ "$(stat -Lc '%s %a' /proc/self/fd/5)" = "0 640" ]
	rm "$SEM/a"
	[ "$(stat -Lc '%s %h' /proc/self/fd/5)" = "0 0" ]
	[ "$(cat <&5)" = 1 ]
	exec 5<&-
	df "$SEM" >/dev/null
}

@test "a semaphore that is created through the mount has value 0" {
	(umask 027 && : >"$SEM/a")
	(umask 0 && echo 5 >"$SEM/b")
	[ "$(stat -c '%n %a' "$SEM/"*)" = "$SEM/a 640"$'\n'"$SEM/b 666" ]
	has_value a 0
	has_value b 5
	native sem-post a
	[ "$(cat "$SEM/a")" = 1 ]
	: >"$SEM/a"
	[ "$(cat "$SEM/a")" = 1 ]
	run bash -c "set -C; echo 9 >'$SEM/a'"
	[[ $output == *"cannot overwrite existing file"* ]]
	run native sem-create a 9
	[ "$output" = EEXIST ]
	has_value a 1
	python3 - "$SEM" <<-'END'
		import os, sys
		os.chdir(sys.argv[1])
		os.umask(0o022)
		for mode, flags in (0o777, os.O_RDWR), (0o400, os.O_WRONLY), (0, os.O_RDWR):
		    fd = os.open("c", os.O_CREAT | os.O_EXCL | flags, mode)
		    assert os.stat("c").st_mode == 0o100000 | mode & ~0o022
		    assert os.write(fd, b"3") == 1
		    os.close(fd)
		    assert open("c").read() == "3\n"
		    os.unlink("c")
		os.mknod("c", 0o640)
		assert os.stat("c").st_mode == 0o100640 and open("c").read() == "0\n"
		os.unlink("c")
		# The reader has no right to write.
		fd = os.open("c", os.O_CREAT | os.O_RDONLY)
		try:
		    sys.exit(os.write(fd, b"1"))
		except OSError as e:
		    assert e.strerror == "Bad file descriptor", e
		assert os.read(fd, 9) == b"0\n"
		os.unlink("c")
	END
	rm "$SEM/a"
	run native sem-open a
	[ "$output" = ENOENT ]
	native sem-unlink b
	[ ! -e "$SEM/b" ]
	run cat "$SEM/b"
	[[ $output == *"No such file or directory" ]]
}

@test "wrong texts and values that are too large change nothing" {
	native sem-create a 1
	for text in x + '+\n' ' 1' '1 2' '1\n+1\n' '1\0'; do
		says "Invalid argument" "$text"
	done
	for text in +2147483647 -2147483648 18446744073709551617; do
		says "Value too large for defined data type" "$text"
	done
	echo 2147483647 >"$SEM/a"
	says "Value too large for defined data type" +1
	# The kernel sends no request for an empty write.
	[ "$(python3 -c 'import os; print(os.write(os.open(os.sys.argv[1], 1), b""))' "$SEM/a")" = 0 ]
	echo 1 >"$SEM/a"
	# A write that the kernel would split is refused.
	python3 - "$SEM/a" <<-'END'
		import errno, os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY)
		for f, text in ((os.write, b"-" + b"0" * (1 << 20) + b"5"),
		                (os.write, b"+" + b"0" * 5000 + b"1"),
		                (os.writev, [b"+"] + [b"0"] * 300 + [b"2"]),
		                (os.write, b"1" * 100000)):
		    try:
		        sys.exit(f(fd, text))
		    except OSError as e:
		        assert e.errno == errno.EINVAL, e
		assert os.writev(fd, [b"-", b"00", b"1"]) == 4
	END
	has_value a 0
	rm "$SEM/a"
}

@test "operations that semaphores don't have fail and change nothing" {
	native sem-create a 4
	for command in "mv $SEM/a $SEM/b" "mv $SEM/a $SHM/a" "mv $SEM/a $MQ/a" \
		"ln $SEM/a $SEM/b" "ln -s a $SEM/b" "mkdir $SEM/d" "mkfifo $SEM/p" "rmdir $SEM"; do
		# shellcheck disable=SC2086 # words
		run $command
		echo "$command: $output"
		[[ $output == *"Operation not permitted" ]]
	done
	echo x >"$SHM/x"
	not mv "$SHM/x" "$SEM/x"
	rm "$SHM/x"
	run truncate -s 5 "$SEM/a"
	[[ $output == *"Invalid argument" ]]
	truncate -s 0 "$SEM/a"
	for command in "setfattr -n user.a -v x $SEM/a" "setfattr -n user.a -v x $SEM" \
		"fallocate -l 100 $SEM/a"; do
		# shellcheck disable=SC2086 # words
		run $command
		echo "$command: $output"
		[[ $output == *"Operation not supported" ]]
	done
	run getfattr -d "$SEM/a"
	[ -z "$output" ]
	run flock "$SEM/a" true
	[[ $output == *"No locks available" ]]
	python3 - "$SEM/a" <<-'END'
		import ctypes, errno, mmap, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		libc.mmap.restype = ctypes.c_void_p
		for flags in os.O_RDONLY, os.O_RDWR:
		    fd = os.open(sys.argv[1], flags)
		    address = libc.mmap(None, ctypes.c_long(32), mmap.PROT_READ, mmap.MAP_SHARED,
		                        fd, ctypes.c_long(0))
		    assert address == 2**64 - 1 and ctypes.get_errno() == errno.ENODEV
		try:
		    sys.exit(os.open(os.path.dirname(sys.argv[1]), os.O_TMPFILE | os.O_RDWR))
		except OSError as e:
		    assert e.errno == errno.EOPNOTSUPP, e
	END
	[ "$(ls -A /dev/shm)" = sem.a ]
	has_value a 4
	rm "$SEM/a"
}

@test "a native post or a post through the mount ends a wait" {
	native sem-create a 0
	take 1 a
	eventually waits $!
	native sem-post a
	wait $!
	has_value a 0
	take 3 a
	eventually waits $!
	echo +2 >"$SEM/a"
	eventually waits $!
	has_value a 2
	echo 4 >"$SEM/a"
	wait $!
	has_value a 1
	rm "$SEM/a"
}

# is_alive PID: whether a process of this shell hasn't ended.
is_alive() {
	kill -0 "$1" 2>/dev/null
}

@test "N posts end N waits" {
	native sem-create a 0
	take 1 a
	one=$!
	take 1 a
	two=$!
	eventually waits "$one" "$two"
	echo +1 >"$SEM/a"
	# "wait -n" would miss a process that has ended already.
	one_has_ended() { ! is_alive "$one" || ! is_alive "$two"; }
	eventually one_has_ended
	is_alive "$one" || is_alive "$two"
	has_value a 0
	native sem-post a
	wait "$one"
	wait "$two"
	has_value a 0
	rm "$SEM/a"
}

@test "an interrupted wait takes nothing" {
	native sem-create a 1
	for signal in INT TERM KILL; do
		take 2 a
		eventually waits $!
		kill -s "$signal" $!
		wait $! || [ $? -eq $((128 + $(kill -l "$signal"))) ]
		echo +5 >"$SEM/a"
		has_value a 6
		echo 1 >"$SEM/a"
	done
	not timeout 0.1 sh -c "echo -2 >'$SEM/a'"
	has_value a 1
	rm "$SEM/a"
}

@test "a descriptor can be read while a write to it waits" {
	native sem-create a 1
	exec 5<>"$SEM/a"
	printf -- -2 >&5 3>&- &
	eventually waits $!
	[ "$(head -c 2 <&5)" = 1 ]
	echo +1 >"$SEM/a"
	wait $!
	exec 5>&-
	has_value a 0
	rm "$SEM/a"
}

@test "poll is always ready" {
	native sem-create a 0
	python3 - "$SEM/a" <<-'END'
		import os, select, sys
		fd = os.open(sys.argv[1], os.O_RDWR)
		assert select.select([fd], [fd], [], 0) == ([fd], [fd], [])
	END
	rm "$SEM/a"
}

@test "waits that a shutdown ends take nothing" {
	native sem-create a 1
	take 2 a
	eventually waits $!
	kill "$DAEMON"
	not wait $!
	wait "$DAEMON"
	eventually not is_mounted
	has_value a 1
	ipcfs_start -o allow_other
	[ "$(cat "$SEM/a")" = 1 ]
	rm "$SEM/a"
}

@test "beyond max_user_waiting a wait is EAGAIN; posts still work" {
	umount "$MNT"
	wait "$DAEMON"
	ipcfs_start -o allow_other,max_user_waiting=1
	native sem-create a 0 666
	setpriv --reuid 65534 --regid 65534 --clear-groups printf -- -1 >"$SEM/a" 3>&- &
	eventually waits $!
	run as_user bash -c "echo -1 >'$SEM/a'"
	[[ $output == *"Resource temporarily unavailable" ]]
	as_user sh -c "echo +1 >'$SEM/a'"
	wait $!
	has_value a 0
	rm "$SEM/a"
}

@test "O_NONBLOCK: EAGAIN, and nothing is taken" {
	native sem-create a 2
	python3 - "$SEM/a" <<-'END'
		import errno, fcntl, os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK)
		for _ in range(2):
		    try:
		        sys.exit(os.write(fd, b"-3\n"))
		    except BlockingIOError:
		        pass
		    assert os.read(fd, 9) + os.read(fd, 9) == b"2\n"
		assert os.write(fd, b"-2\n") == 3
		fcntl.fcntl(fd, fcntl.F_SETFL, 0)
		os.write(fd, b"+1")
		os.write(fd, b"-1")
	END
	has_value a 0
	rm "$SEM/a"
}

# stopped_while_it_waits: stops the daemon while a take of $seconds waits.
stopped_while_it_waits() {
	for seconds in 1 2 4 8 16; do
		env printf '%s\n' -1 >"$MNT/sem:timeout=$seconds/a" 2>"$WORK/error" 3>&- &
		sleep 0.1
		kill -STOP "$DAEMON"
		[ "$(cat /proc/$!/wchan)" != request_wait_answer ] || return 0
		# The take hadn't begun, or its time has passed.
		kill -CONT "$DAEMON"
		wait $! || true
	done
	return 1
}

@test "timeout: a take ends with ETIMEDOUT and takes nothing" {
	native sem-create a 2
	for seconds in 0 0.001 0.03; do
		run bash -c "echo -3 >$MNT/sem:timeout=$seconds/a"
		echo "$seconds: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"Connection timed out" ]]
		has_value a 2
	done
	echo -1 >"$MNT/sem:timeout=0/a"
	echo -1 >"$MNT/sem:timeout=0.01/a"
	run dd of="$MNT/sem:timeout=0/a" oflag=nonblock conv=notrunc status=none <<<-1
	[[ $output == *"Resource temporarily unavailable" ]]
	# A post in time ends the wait, also a native one.
	printf '%s\n' -1 >"$MNT/sem:timeout=1000000/a" 3>&- &
	eventually waits $!
	native sem-post a
	wait $!
	has_value a 0
	# A post in time counts, even if the daemon looks after the deadline.
	stopped_while_it_waits
	native sem-post a
	sleep "$seconds"
	kill -CONT "$DAEMON"
	wait $!
	has_value a 0
	for view in timeout= timeout=-1 timeout=1.2.3 info,timeout=1 drain; do
		run ls "$MNT/sem:$view"
		[[ $output == *"Invalid argument" ]]
		logged "view option '${view#info,}': "
	done
	rm "$SEM/a"
}

@test "+N and N wake programs in sem_wait" {
	native sem-create a 0
	for _ in 1 2 3; do
		native sem-wait a 3>&- &
		pids+=($!)
	done
	eventually has_waiters a 3
	echo +1 >"$SEM/a"
	eventually has_waiters a 2
	has_value a 0
	echo 3 >"$SEM/a"
	wait "${pids[@]}"
	has_value a 1
	has_waiters a 0
	rm "$SEM/a"
}

@test "sem:info describes a semaphore" {
	native sem-create a 3 640
	chown 12:34 "$SEM/a"
	[ "$(ls "$MNT/sem:info")" = a ]
	[ "$(cat "$MNT/sem:info/a")" = "name a
value 3
waiters 0
uid 12
gid 34
mode 0640
used no" ]
	run bash -c 'echo 1 >"$MNT/sem:info/a"'
	[[ $output == *"Permission denied" ]]
	run ls "$MNT/sem:lines"
	[[ $output == *"Invalid argument" ]]
	logged "view option 'lines': there is no such option"
	rm "$SEM/a"
}

@test "sem/ and shm/ each list their own" {
	native shm-create object text
	native sem-create a 0
	native sem-create sem.a 0
	echo x >/dev/shm/semaphore
	: >/dev/shm/sem.
	: >/dev/shm/sem..
	: >/dev/shm/sem...
	mkfifo /dev/shm/sem.fifo
	mkdir /dev/shm/sem.dir
	ln -s sem.a /dev/shm/sem.link
	[ "$(ls -A "$SEM")" = $'a\nsem.a' ]
	[ "$(ls -a "$SEM")" = $'.\n..\na\nsem.a' ]
	[ "$(ls -A "$SHM")" = $'object\nsemaphore' ]
	for other in fifo dir link; do
		[ ! -e "$SEM/$other" ]
		run cat "$SEM/$other"
		[[ $output == *"No such file or directory" ]]
		not rm "$SEM/$other"
		run bash -c 'echo 1 >"$SEM/$1"' - "$other"
		echo "$output"
		[[ $output == *"No such file or directory" ]]
	done
	rm -r /dev/shm/{object,semaphore,sem.fifo,sem.dir,sem.link,sem.,sem..,sem...}
	rm "$SEM/a" "$SEM/sem.a"
}

@test "names of any bytes, up to 251 of them" {
	name=$(printf '%0251d' 0)
	for name in "$name" $'a\nb' $'\xff\xfe' ' ' '*'; do
		echo 3 >"$SEM/$name"
		[ "$(cat "$SEM/$name")" = 3 ]
		grep -qx "value 3" "$MNT/sem:info/$name"
		[ -e "/dev/shm/sem.$name" ]
		rm "$SEM/$name"
	done
	for command in cat rm 'touch --' stat; do
		run $command "$SEM/$(printf '%0252d' 0)"
		[[ $output == *"File name too long" ]]
	done
}

@test "files that aren't semaphores are listed, but can't be read or changed" {
	for size in 0 16 31 33 4096; do
		head -c "$size" /dev/urandom >"/dev/shm/sem.$size"
		cp "/dev/shm/sem.$size" "$WORK/$size"
	done
	[ "$(ls "$SEM")" = $'0\n16\n31\n33\n4096' ]
	for size in 0 16 31 33 4096; do
		[ "$(stat -c '%s %i' "$SEM/$size")" = "0 $(stat -c %i "/dev/shm/sem.$size")" ]
		run cat "$SEM/$size"
		[[ $output == *"Operation not supported" ]]
		run cat "$MNT/sem:info/$size"
		[[ $output == *"Operation not supported" ]]
		for text in 1 +0 +1 -0 -1; do
			run bash -c 'echo "$1" >"$SEM/$2"' - "$text" "$size"
			[[ $output == *"Operation not supported" ]]
		done
		cmp "$WORK/$size" "/dev/shm/sem.$size"
		rm "$SEM/$size"
	done
}

@test "a semaphore's file is cut short during a wait" {
	native sem-create a 0
	exec 5<>"$SEM/a"
	take 1 a
	eventually waits $!
	truncate -s 16 /dev/shm/sem.a
	not wait $!
	grep -q "Operation not supported" "$WORK/error"
	run cat <&5
	[[ $output == *"Operation not supported" ]]
	run bash -c 'echo +1 >&5'
	[[ $output == *"Operation not supported" ]]
	truncate -s 32 /dev/shm/sem.a
	echo 3 >&5
	has_value a 3
	exec 5>&-
	rm "$SEM/a"
}

@test "the daemon survives a semaphore's file that is cut short all the time" {
	native sem-create a 0
	: >"$WORK/goes_on"
	python3 - /dev/shm/sem.a "$WORK/goes_on" 3>&- <<-'END' &
		import os, sys, time
		while os.path.exists(sys.argv[2]):
		    for _ in range(100):
		        os.truncate(sys.argv[1], 0)
		        os.truncate(sys.argv[1], 32)
		    # Sometimes the file is complete during a whole call.
		    time.sleep(0.002)
	END
	python3 - "$SEM/a" <<-'END'
		import errno, os, sys, time
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK)
		seen, i, end = set(), 0, time.monotonic() + 120
		while i < 3000 or (not {0, errno.EOPNOTSUPP} <= seen and time.monotonic() < end):
		    i += 1
		    try:
		        os.write(fd, (b"+1", b"1", b"-1")[i % 3])
		        os.read(fd, 100)
		        seen.add(0)
		    except OSError as e:
		        seen.add(e.errno)
		assert seen <= {0, errno.EOPNOTSUPP, errno.EAGAIN}, seen
		assert {0, errno.EOPNOTSUPP} <= seen, seen
	END
	rm "$WORK/goes_on"
	wait $!
	kill -0 "$DAEMON"
	echo 1 >"$SEM/a"
	has_value a 1
	rm "$SEM/a"
}

@test "an open file stays usable after rm; a new one is another object" {
	native sem-create a 1
	exec 5<>"$SEM/a"
	rm "$SEM/a"
	echo 9 >"$SEM/a"
	echo +1 >&5
	read -r old <&5
	[ "$old" = 2 ]
	has_value a 9
	native sem-create b 4
	exec 6<>"$SEM/b"
	mv /dev/shm/sem.b /dev/shm/sem.a
	has_value a 4
	[ "$(cat "$SEM/a")" = 4 ]
	echo -1 >&6
	[ "$(cat "$SEM/a")" = 3 ]
	exec 5>&- 6>&-
	rm "$SEM/a"
}

@test "users have the same rights as in sem_open" {
	timeout 250 python3 "$TESTS/sem_rights.py" rights
	rm /dev/shm/sem.*
}

@test "semaphores belong to their creators; others can't remove them" {
	timeout 250 python3 "$TESTS/sem_rights.py" create
	native sem-create a 1 666
	as_user sh -c "echo +1 >'$SEM/a'"
	has_value a 2
	for command in "rm -f $SEM/a" "chmod 600 $SEM/a" "chown 65534 $SEM/a"; do
		# shellcheck disable=SC2086 # words
		run as_user $command
		echo "$output"
		[[ $output == *"Operation not permitted" ]]
	done
	[ "$(stat -c '%a %u' /dev/shm/sem.a)" = "666 0" ]
	as_user sh -c "echo 5 >'$SEM/theirs'"
	chown 0 "$SEM/theirs"
	run as_user cat "$SEM/theirs"
	[ "$output" = 5 ]
	chmod 600 "$SEM/theirs"
	run as_user cat "$SEM/theirs"
	[[ $output == *"Permission denied" ]]
	rm "$SEM/a" "$SEM/theirs"
}

@test "random texts have the result of a model" {
	timeout 250 python3 "$TESTS/sem_fuzz.py"
	native sem-unlink fuzz
}

@test "native posts and interrupted or killed takes: no count is lost" {
	timeout 250 python3 "$TESTS/sem_load.py" "$DAEMON"
	native sem-unlink load
}
