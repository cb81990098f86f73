# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Message queues as files, with the tools that people use.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

@test "echo sends a message; cat prints all messages and ends" {
	echo one >"$MQ/q"
	echo two >"$MQ/q"
	echo three >>"$MQ/q"
	[ "$(cat "$MQ/q")" = $'one\ntwo\nthree' ]
	rm "$MQ/q"
}

@test "a write is one message with exactly these bytes" {
	printf 'a\0b\n' >"$MQ/q"
	printf c >"$MQ/q"
	native receive q | cmp - <(printf 'a\0b\n')
	[ "$(native receive q)" = c ]
	run native receive q
	[ "$output" = EAGAIN ]
	rm "$MQ/q"
}

@test "native messages are read by priority, then by age" {
	native create q
	native send q low1 1
	native send q high1 9
	native send q low2 1
	native send q high2 9
	for expected in high1 high2 low1 low2; do
		[ "$(dd if="$MQ/q" bs=100 count=1 status=none)" = $expected ]
	done
	native unlink q
	[ ! -e "$MQ/q" ]
}

@test "written messages have priority 0" {
	native create q
	native send q above 1
	echo below >"$MQ/q"
	[ "$(native receive q)" = above ]
	[ "$(native receive q)" = below ]
	rm "$MQ/q"
}

@test "a queue is created with the system's attributes" {
	: >"$MQ/q"
	python3 - "$TESTS" <<-'END'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		import native
		attr = native.mq_attr(native.mq_open("q", os.O_RDONLY))
		read = lambda n: int(open("/proc/sys/fs/mqueue/" + n).read())
		assert attr.maxmsg == read("msg_default")
		assert attr.msgsize == read("msgsize_default")
	END
	rm "$MQ/q"
}

@test "> discards no message" {
	echo one >"$MQ/q"
	: >"$MQ/q"
	python3 -c 'import sys; open(sys.argv[1], "w").close()' "$MQ/q"
	[ "$(cat "$MQ/q")" = one ]
	rm "$MQ/q"
}

@test "a small buffer: the next read returns the rest of the message" {
	printf 0123456789 >"$MQ/q"
	printf next >"$MQ/q"
	exec 5<"$MQ/q"
	[ "$(dd bs=4 count=1 status=none <&5)" = 0123 ]
	[ "$(dd bs=4 count=1 status=none <&5)" = 4567 ]
	# A new open file gets the next message: the rest belongs to descriptor 5.
	[ "$(dd if="$MQ/q" bs=100 count=1 status=none)" = next ]
	[ "$(dd bs=100 count=1 status=none <&5)" = 89 ]
	exec 5<&-
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
	rm "$MQ/q"
}

@test "head -n1 and read take lines of a message as of a file" {
	/usr/bin/printf 'a\nb\nc\nd\n' >"$MQ/q"
	{
		[ "$(head -n1)" = a ]
		[ "$(head -n1)" = b ]
		IFS= read -r line
		[ "$line" = c ]
		[ "$(cat)" = d ]
	} <"$MQ/q"
	rm "$MQ/q"
	native create q 1 2000
	seq 500 >"$MQ/q"
	while IFS= read -r line; do
		sum=$((${sum-0} + line))
	done <"$MQ/q"
	[ "$sum" -eq 125250 ]
	rm "$MQ/q"
}

@test "lseek back within the message reads it again" {
	printf first >"$MQ/q"
	printf second >"$MQ/q"
	python3 - "$MQ/q" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		assert os.read(fd, 3) == b"fir"
		os.lseek(fd, 1, os.SEEK_SET)
		assert os.read(fd, 9) == b"irst"
		os.lseek(fd, 0, os.SEEK_SET)
		assert os.read(fd, 2) == b"fi"
		os.lseek(fd, 1000, os.SEEK_SET)
		assert os.read(fd, 9) == b"rst"
		assert os.read(fd, 9) == b"second"
		os.lseek(fd, -6, os.SEEK_CUR)
		assert os.read(fd, 9) == b"second"
		assert os.read(fd, 9) == b""
		# To the largest offset and back: no byte comes twice, none is lost.
		out = os.open(sys.argv[1], os.O_WRONLY)
		os.write(out, b"0123")
		os.lseek(fd, 1000, os.SEEK_SET)
		assert os.read(fd, 1) == b"0"
		os.lseek(fd, 0, os.SEEK_SET)
		assert os.read(fd, 1) == b"1"
		os.lseek(fd, 2**63 - 2, os.SEEK_SET)
		assert os.read(fd, 1) == b"2"
		os.lseek(fd, 5, os.SEEK_SET)
		assert os.read(fd, 9) == b"3"
	END
	rm "$MQ/q"
}

@test "SEEK_END is ESPIPE: tail and tac read as from a pipe" {
	native create q
	for command in "tail -n1" "tail -c3" tac "head -n-1" "tail -n+2" "sed -n \$p" \
		"head -n2" "cat -" "wc -l" "less"; do
		printf 'm1\n' | tee "$MQ/q" >"$WORK/plain"
		for i in 2 3; do
			echo "m$i" | tee -a "$WORK/plain" >"$MQ/q"
		done
		# shellcheck disable=SC2002,SC2086 # a pipe, and words
		[ "$(cat "$WORK/plain" | $command)" = "$(timeout 50 $command <"$MQ/q")" ]
		truncate -s 0 "$MQ/q"
	done
	echo text >"$MQ/q"
	for flags in O_RDONLY O_WRONLY O_RDWR; do
		python3 - "$MQ/q" $flags <<-'END'
			import errno, os, sys
			fd = os.open(sys.argv[1], getattr(os, sys.argv[2]))
			try:
			    sys.exit(os.lseek(fd, 0, os.SEEK_END))
			except OSError as e:
			    assert e.errno == errno.ESPIPE, e
			assert os.fstat(fd).st_size == 5
		END
	done
	[ "$(cat "$MQ/q")" = text ]
	rm "$MQ/q"
}

@test "end of file comes once, then a read waits again" {
	echo one >"$MQ/q"
	exec 5<"$MQ/q"
	[ "$(cat <&5)" = one ]
	cat <&5 >"$WORK/out" 3>&- &
	reader=$!
	eventually waits $reader
	echo two >"$MQ/q"
	wait $reader
	[ "$(cat "$WORK/out")" = two ]
	exec 5<&-
	rm "$MQ/q"
}

@test "cat waits for the first message, from the mount or native" {
	: >"$MQ/q"
	for send in "native send q hello" "eval printf hello >$MQ/q"; do
		cat "$MQ/q" >"$WORK/out" 3>&- &
		reader=$!
		eventually waits $reader
		$send
		wait $reader
		[ "$(cat "$WORK/out")" = hello ]
	done
	rm "$MQ/q"
}

@test "a write to a full queue waits for room, from the mount or native" {
	native create q 1 10
	echo 0 >"$MQ/q"
	for receive in "native receive q" "dd if=$MQ/q bs=10 count=1 status=none"; do
		/bin/echo next >>"$MQ/q" 3>&- &
		writer=$!
		eventually waits $writer
		$receive
		wait $writer
	done
	[ "$(cat "$MQ/q")" = next ]
	rm "$MQ/q"
}

@test "a waiting native receiver gets a written message" {
	native create q 1 10
	native receive-wait q >"$WORK/out" 3>&- &
	reader=$!
	echo hi >"$MQ/q"
	wait $reader
	[ "$(cat "$WORK/out")" = hi ]
	rm "$MQ/q"
}

@test "O_NONBLOCK: EAGAIN if the queue is empty or full" {
	native create q 1 10
	run dd if="$MQ/q" iflag=nonblock status=none
	[[ $output == *"Resource temporarily unavailable" ]]
	echo x >"$MQ/q"
	run dd of="$MQ/q" oflag=nonblock conv=notrunc status=none <<<y
	[[ $output == *"Resource temporarily unavailable" ]]
	[ "$(cat "$MQ/q")" = x ]
	# The flag also counts if it is set on an open descriptor.
	python3 - "$MQ/q" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDWR)
		os.set_blocking(fd, False)
		for f in lambda: os.read(fd, 10), lambda: os.write(fd, b"y") and os.write(fd, b"z"):
		    try:
		        sys.exit(f())
		    except BlockingIOError:
		        pass
	END
	rm "$MQ/q"
}

@test "a message longer than msgsize is EMSGSIZE, and nothing is sent" {
	native create q 2 10
	for size in 11 4097 200000 3000000; do
		run dd if=/dev/zero of="$MQ/q" bs=$size count=1 conv=notrunc status=none
		[[ $output == *"Message too long" ]]
	done
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
	printf 0123456789 >"$MQ/q"
	[ "$(native receive q)" = 0123456789 ]
	rm "$MQ/q"
}

@test "a write or read that the kernel splits moves one message" {
	native create q 4 1024
	python3 - "$MQ/q" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK)
		# One request has 256 pages at most, and each iovec needs a page.
		sent = os.writev(fd, [b"x"] * 1024)
		got = os.read(fd, 8192)
		assert len(got) == sent, (len(got), sent)
		try:
		    sys.exit(os.read(fd, 8192))
		except BlockingIOError:
		    pass
		os.write(fd, b"y" * 256)
		os.write(fd, b"z" * 256)
		bufs = [bytearray(1) for _ in range(1024)]
		assert os.readv(fd, bufs) == 256
		assert b"".join(bufs)[:256] == b"y" * 256
		assert os.read(fd, 8192) == b"z" * 256
	END
	rm "$MQ/q"
}

@test "big messages, up to the limit of RLIMIT_MSGQUEUE" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	echo 16777216 >/proc/sys/fs/mqueue/msgsize_max
	setpriv --reuid "$LONER" --regid "$LONER" --clear-groups \
		sh -c ": >'$MQ:maxmsg=1,msgsize=800000/q'"
	head -c 800000 /dev/urandom >"$WORK/big"
	for bs in 1M 1000 123457; do
		dd if="$WORK/big" of="$MQ/q" bs=800000 conv=notrunc status=none
		[ "$(stat -c %s "$MQ/q")" -eq 800000 ]
		dd if="$MQ/q" bs=$bs status=none | cmp - "$WORK/big"
	done
	# A write that the kernel would split is refused as a whole, at any address.
	python3 - "$MQ/q" <<-'END'
		import errno, mmap, os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
		memory = memoryview(mmap.mmap(-1, 4 << 20))
		for start in 0, 1, 4095:
		    for size in 800001, (1 << 20) - 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20:
		        try:
		            sys.exit(os.write(fd, memory[start:start + size]))
		        except OSError as e:
		            assert e.errno == errno.EMSGSIZE, e
		assert os.fstat(fd).st_size == 0
	END
	rm "$MQ/q"
}

@test "stat: the size is what a reader would get, blksize is msgsize" {
	native create q 4 1024
	[ "$(stat -c '%s %o %b %F' "$MQ/q")" = "0 1024 0 regular empty file" ]
	echo 123 >"$MQ/q"
	native send q 1234567
	[ "$(stat -c '%s %o %b %F' "$MQ/q")" = "11 1024 1 regular file" ]
	[ "$(wc -c <"$MQ/q")" -eq 11 ]
	exec 5<"$MQ/q"
	[ "$(stat -Lc %s /proc/self/fd/5)" -eq 11 ]
	[ "$(cat <&5 | wc -c)" -eq 11 ]
	exec 5<&-
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
	rm "$MQ/q"
}

@test "stdio sends a printed line as one message, for any msgsize" {
	for msgsize in 1 10 127 1000 1025; do
		native create q 2 $msgsize
		[ "$(stat -c %o "$MQ/q")" -ge 128 ]
		[ "$(stat -c %o "$MQ/q")" -ge $msgsize ]
		text=$(head -c $((msgsize - 1)) /dev/zero | tr '\0' x)
		bash -c 'echo "$1" >"$2"' - "$text" "$MQ/q"
		[ "$(native receive q)" = "$text" ]
		run native receive q
		[ "$output" = EAGAIN ]
		rm "$MQ/q"
	done
}

@test "mode, owner and times are the queue's own" {
	local format='%i %a %u %g %h %x %y %z'

	(umask 027 && : >"$MQ/q")
	[ "$(stat -c %a "$NATIVE/q")" = 640 ]
	chmod 4604 "$MQ/q"
	chown 12:34 "$MQ/q"
	touch -d '2001-02-03 04:05:06' "$MQ/q"
	[ "$(stat -c "$format" "$MQ/q")" = "$(stat -c "$format" "$NATIVE/q")" ]
	[ "$(stat -c '%a %u %g %Y' "$NATIVE/q")" = "604 12 34 981173106" ]
	# The same for a queue with messages: counting them is no access.
	native send q text
	touch -d '2001-02-03 04:05:06' "$MQ/q"
	[ "$(stat -c '%s %X %Y' "$MQ/q")" = "4 981173106 981173106" ]
	[ "$(stat -c "$format" "$MQ/q")" = "$(stat -c "$format" "$NATIVE/q")" ]
	rm "$MQ/q"
}

@test "an open file stays usable after rm; a new one is another object" {
	exec 5<>"$MQ/q"
	rm "$MQ/q"
	run native receive q
	[ "$output" = ENOENT ]
	echo other >"$MQ/q"
	printf mine >&5
	[ "$(stat -Lc '%s %h' /proc/self/fd/5)" = "4 0" ]
	[ "$(dd bs=100 count=1 status=none <&5)" = mine ]
	[ "$(cat "$MQ/q")" = other ]
	exec 5>&-
	rm "$MQ/q"
}

@test "O_RDWR: a shell reads and writes one queue by one descriptor" {
	exec 5<>"$MQ/q"
	echo 'a line' >&5
	IFS= read -r line <&5
	[ "$line" = 'a line' ]
	exec 5>&-
	rm "$MQ/q"
}

@test "O_EXCL, and open of a missing name" {
	run cat "$MQ/q"
	[[ $output == *"No such file or directory" ]]
	: >"$MQ/q"
	run python3 -c 'import sys; open(sys.argv[1], "x")' "$MQ/q"
	[[ $output == *FileExistsError* ]]
	rm "$MQ/q"
	run rm "$MQ/q"
	[[ $output == *"No such file or directory" ]]
}

@test "the listing shows the queues of the IPC namespace" {
	native create made-natively 1 10
	: >"$MQ/made-here"
	[ "$(ls -A "$MQ")" = $'made-here\nmade-natively' ]
	native unlink made-natively
	[ "$(ls -A "$MQ")" = made-here ]
	rm "$MQ/made-here"
	[ -z "$(ls -A "$MQ")" ]
}

@test "df -i shows how many queues are possible" {
	local max

	max=$(cat /proc/sys/fs/mqueue/queues_max)
	native create a 1 10
	native create b 1 10
	[ "$(df --output=itotal,iused,iavail "$MQ" | tail -1 | xargs)" = \
		"$max 2 $((max - 2))" ]
	rm "$MQ/a" "$MQ/b"
}

@test "names of any bytes, up to 255 of them" {
	local name long

	printf -v long '%255s' ''
	for name in 'two words' $'new\nline' $'\xff\xfe' .dot -dash '*' "${long// /x}" 'ü'; do
		/bin/echo "$name" >"$MQ/$name"
		[ "$(native receive "$name")" = "$name" ]
		rm "$MQ/$name"
	done
	run touch "$MQ/${long// /x}x"
	[[ $output == *"File name too long" ]]
}

@test "operations that queues don't have fail and lose no message" {
	echo message >"$MQ/q"
	for command in "mv $MQ/q $MQ/p" "mv $MQ/q $SHM/q" "mv $MQ/q $WORK/mnt" \
		"ln $MQ/q $MQ/p" "ln -s q $MQ/p" "mkdir $MQ/d" "mkfifo $MQ/p"; do
		# shellcheck disable=SC2086 # words
		run $command
		echo "$command: $output"
		[[ $output == *"Operation not permitted" ]]
	done
	run truncate -s 5 "$MQ/q"
	[[ $output == *"Invalid argument" ]]
	[ "$(find "$MQ" "$SHM" -type f)" = "$MQ/q" ]
	[ "$(cat "$MQ/q")" = message ]
	rm "$MQ/q"
}

@test "cat and cp of a queue into an object or a file copy all messages" {
	for to in "$SHM/out" "$WORK/out"; do
		for tool in cat cp; do
			echo one >"$MQ/q"
			echo two >"$MQ/q"
			if [ $tool = cat ]; then
				cat "$MQ/q" >"$to"
			else
				cp "$MQ/q" "$to"
			fi
			[ "$(cat "$to")" = $'one\ntwo' ]
			rm "$to"
		done
	done
	rm "$MQ/q"
}

@test "O_CREAT never fails while others unlink" {
	# The name is removed all the time, so that each open creates a queue.
	timeout 250 "$PROGRAMS/churn" $((${ROUNDS:-100000} / 20)) 1 "$MQ/q" 0 "$NATIVE/q"
	timeout 250 "$PROGRAMS/churn" $((${ROUNDS:-100000} / 20)) 3 "$MQ/q" 20
	rm -f "$MQ/q"
}

@test "splice and private mmap fail and take no message" {
	is_linux 6.5 || skip 'they receive, before Linux 6.5'
	echo message >"$MQ/q"
	python3 - "$MQ/q" <<-'END'
		import errno, mmap, os, signal, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		r, w = os.pipe()
		for f in (lambda: os.sendfile(w, fd, 0, 100),
		          lambda: os.splice(fd, w, 100),
		          lambda: os.copy_file_range(fd, w, 100)):
		    try:
		        sys.exit(f())
		    except OSError as e:
		        assert e.errno in (errno.EIO, errno.EINVAL), e
		pid = os.fork()
		if pid == 0:
		    mmap.mmap(fd, 4, mmap.MAP_PRIVATE, mmap.PROT_READ)[0]
		    os._exit(0)
		assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGBUS
	END
	[ "$(cat "$MQ/q")" = message ]
	rm "$MQ/q"
}

@test "a create that fails leaves no queue" {
	: >"$MQ/q"
	exec 5<"$MQ/q"
	# One descriptor more is enough to create a queue, but not to keep it open.
	eventually has_fds "$DAEMON" $((DAEMON_FDS + 2))
	free=0
	while [ -e "/proc/$DAEMON/fd/$free" ]; do
		free=$((free + 1))
	done
	prlimit --pid "$DAEMON" --nofile="$((free + 1)):"
	run python3 -c 'import sys; open(sys.argv[1], "x")' "$MQ/new"
	[[ $output == *"Too many open files"* ]]
	[ "$(ls "$NATIVE")" = q ]
	[ ! -s "$LOG" ] || logged RLIMIT_NOFILE
	prlimit --pid "$DAEMON" --nofile=1000:
	: >"$MQ/new"
	exec 5<&-
	rm "$MQ/q" "$MQ/new"
}

@test "extended attributes describe the queue, and can't be set" {
	native create q 5 100
	native send q abc
	native send q defgh
	want='user.mq.bytes="8"
user.mq.curmsgs="2"
user.mq.maxmsg="5"
user.mq.msgsize="100"
user.mq.notify_pid="0"'
	[ "$(getfattr -d --absolute-names "$MQ/q" | grep '=' | sort)" = "$want" ]
	python3 - "$TESTS" "$MQ/q" <<-'END'
		import ctypes, errno, os, sys
		sys.path.insert(0, sys.argv[1])
		import native
		path = sys.argv[2]
		# SIGEV_NONE registers too, though nothing is delivered.
		event = (ctypes.c_int * 16)(0, 0, 0, 1)
		mqd = native.mq_open("q", os.O_RDONLY)
		assert native.libc.mq_notify(mqd, event) == 0
		assert os.getxattr(path, "user.mq.notify_pid") == b"%d" % os.getpid()
		assert os.getxattr(path, "user.mq.curmsgs") == b"2"
		for f, e in ((lambda: os.getxattr(path, "user.other"), errno.ENODATA),
		             (lambda: os.setxattr(path, "user.mq.maxmsg", b"9"), errno.ENOTSUP),
		             (lambda: os.removexattr(path, "user.mq.maxmsg"), errno.ENOTSUP)):
		    try:
		        sys.exit(f())
		    except OSError as error:
		        assert error.errno == e, error
	END
	rm "$MQ/q"
}

@test "truncate -s 0 discards all messages" {
	echo one >"$MQ/q"
	echo two >"$MQ/q"
	truncate -s 0 "$MQ/q"
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
	echo three >"$MQ/q"
	[ "$(cat "$MQ/q")" = three ]
	rm "$MQ/q"
}

@test "a message sent after a discard stays, also among other senders" {
	native create q 10 10
	timeout 250 python3 "$TESTS/mq_discard.py" "$MQ/q"
	rm "$MQ/q"
}

@test "a discard needs read permission" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	native create q 2 10 622
	native send q text
	run setpriv --reuid 65534 --regid 65534 --clear-groups truncate -s 0 "$MQ/q"
	[[ $output == *"Permission denied" ]]
	[ "$(native receive q)" = text ]
	rm "$MQ/q"
}

@test "mmap is ENODEV" {
	echo 0123456789 >"$MQ/q"
	run python3 - "$MQ/q" <<-'END'
		import mmap, sys
		f = open(sys.argv[1])
		mmap.mmap(f.fileno(), 4, prot=mmap.PROT_READ)
	END
	[[ $output == *"No such device" ]]
	cat "$MQ/q"
	rm "$MQ/q"
}

@test "cp, tee, dd, grep, awk and Python's open" {
	native create q 4 1000
	seq 100 >"$WORK/plain"
	cp "$WORK/plain" "$MQ/q"
	cp "$MQ/q" "$WORK/copy"
	cmp "$WORK/plain" "$WORK/copy"
	tee "$MQ/q" <"$WORK/plain" >/dev/null
	[ "$(grep -c 9 "$MQ/q")" -eq 19 ]
	dd if="$WORK/plain" of="$MQ/q" bs=100 conv=notrunc status=none
	[ "$(awk '{ s += $1 } END { print s }' "$MQ/q")" -eq 5050 ]
	python3 - "$MQ/q" <<-'END'
		import sys
		name = sys.argv[1]
		with open(name, "w") as f:
		    f.write("ü\n")
		with open(name) as f:
		    assert f.read() == "ü\n"
		with open(name, "r+b", buffering=0) as f:
		    f.write(b"x")
		    assert f.read(10) == b"x"
		with open(name, "ab") as f:
		    f.write(b"appended")
		with open(name, "rb") as f:
		    assert f.read() == b"appended"
	END
	rm "$MQ/q"
}

@test "a worker loop in shell" {
	: >"$MQ/jobs"
	(
		while job=$(cat "$MQ/jobs") && [ "$job" != stop ]; do
			echo "did $job"
		done
	) >"$WORK/out" 3>&- &
	worker=$!
	empty() { [ "$(stat -c %s "$MQ/jobs")" -eq 0 ]; }
	for i in 1 2 3; do
		echo "job $i" >"$MQ/jobs"
		eventually empty
	done
	echo stop >"$MQ/jobs"
	wait $worker
	[ "$(grep -c did "$WORK/out")" -le 3 ]
	[ "$(grep -o 'job .' "$WORK/out")" = $'job 1\njob 2\njob 3' ]
	rm "$MQ/jobs"
}

@test "watch notices a new message" {
	: >"$MQ/q"
	# watch ends when the output of ls has changed.
	TERM=xterm timeout 60 watch -g -n 0.1 ls -l "$MQ" >"$WORK/seen" 3>&- &
	eventually grep -q ' q' "$WORK/seen"
	echo x >"$MQ/q"
	wait $!
	rm "$MQ/q"
}
