# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The view "lines": each line of text is a message.
# shellcheck disable=SC2002 # cmp would trust the size of a file

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

# messages: prints the number of messages in q.
messages() {
	getfattr --only-values -n user.mq.curmsgs "$MQ/q"
}

@test "lines: each line of a stream arrives once and in order" {
	: >"$MQ:maxmsg=10,msgsize=64/q"
	seq 100000 >"$MQ:lines/q" 3>&- &
	head -n 100000 "$MQ:lines,follow/q" | cmp - <(seq 100000)
	wait $!
	# One write(2) may be longer than any request and any message.
	seq 400000 | dd of="$MQ:lines/q" bs=4M iflag=fullblock conv=notrunc status=none 3>&- &
	head -n 400000 "$MQ:lines,follow/q" | cmp - <(seq 400000)
	wait $!
	rm "$MQ/q"
}

@test "lines: the newline isn't sent, and is added when read" {
	native create q
	printf 'one\n\nthree\n' >"$MQ:lines/q"
	[ "$(messages)" -eq 3 ]
	[ "$(stat -c %s "$MQ/q")" -eq 8 ]
	[ "$(stat -c %s "$MQ:lines/q")" -eq 11 ]
	[ "$(native receive q)" = one ]
	native send q 'two'$'\n''lines'
	[ "$(cat "$MQ:lines/q")" = $'\nthree\ntwo\nlines' ]
	rm "$MQ/q"
}

@test "lines: a first read takes one line, later reads take many" {
	: >"$MQ:maxmsg=10,msgsize=10/q"
	seq 10 >"$MQ:lines/q"
	read -r line <"$MQ:lines/q"
	[ "$line" = 1 ]
	[ "$(messages)" -eq 9 ]
	[ "$(head -n1 "$MQ:lines/q")" = 2 ]
	[ "$(sed 2q "$MQ:lines/q")" = $'3\n4' ]
	[ "$(messages)" -eq 6 ]
	while read -r line; do
		[ "$line" != 8 ] || break
	done <"$MQ:lines/q"
	[ "$(messages)" -eq 2 ]
	[ "$(cat "$MQ:lines/q")" = $'9\n10' ]
	seq 20000 >"$MQ:lines/q" 3>&- &
	timeout 250 python3 - "$MQ:lines,follow/q" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		text, n = b"", 0
		while text.count(b"\n") < 20000:
		    text += os.read(fd, 65536)
		    n += 1
		assert text == b"".join(b"%d\n" % i for i in range(1, 20001))
		assert n < 10000, n
	END
	wait $!
	rm "$MQ/q"
}

@test "lines: all bytes but the newline are kept" {
	: >"$MQ:msgsize=1000,maxmsg=10/q"
	for i in {0..255}; do
		# shellcheck disable=SC2059 # that is the byte
		printf "\\x$(printf %x "$i")"
	done | tr -d '\n' >"$WORK/bytes"
	{
		cat "$WORK/bytes"
		echo
		cat "$WORK/bytes"
		echo
	} >"$WORK/lines"
	cat "$WORK/lines" >"$MQ:lines/q"
	[ "$(messages)" -eq 2 ]
	cat "$MQ:lines/q" | cmp - "$WORK/lines"
	rm "$MQ/q"
}

@test "lines: a line that is too long is EMSGSIZE, earlier lines are sent" {
	: >"$MQ:msgsize=8,maxmsg=10/q"
	python3 - "$MQ:lines/q" <<-'END'
		import errno, os, sys
		fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
		def write(text):
		    try:
		        return os.write(fd, text)
		    except OSError as e:
		        return errno.errorcode[e.errno]
		assert write(b"12345678\nab\n123456789\ncd\n") == 12
		assert write(b"123456789\ncd\n") == "EMSGSIZE"
		assert write(b"cd\n123456789") == 3
		# A line that was begun is refused as a whole, and dropped.
		assert write(b"1234") == 4
		assert write(b"56789\n") == "EMSGSIZE"
		assert write(b"123456789") == "EMSGSIZE"
		assert write(b"ef") == 2
		assert write(b"gh\n") == 3
		os.close(fd)
	END
	[ "$(cat "$MQ:lines/q")" = $'12345678\nab\ncd\nefgh' ]
	rm "$MQ/q"
}

@test "lines: an unfinished line is sent when its process closes the file" {
	: >"$MQ:maxmsg=10,msgsize=64/q"
	python3 "$TESTS/lines_close.py" "$MQ"
	[ "$(cat "$MQ:lines/q")" = "the child's
a line in pieces
other
rest
last words
killed" ]
	# After a complete line there is nothing to send.
	echo >"$MQ:lines/q"
	: >"$MQ:lines/q"
	[ "$(messages)" -eq 1 ]
	rm "$MQ/q"
}

@test "lines: an unfinished line is in the queue when close returns" {
	echo 501 >/proc/sys/fs/mqueue/msg_max
	python3 "$TESTS/lines_close_busy.py" "$MQ"
}

@test "lines: an unfinished line waits for room after close returns" {
	: >"$MQ:maxmsg=1,msgsize=64/q"
	echo full >"$MQ:lines/q"
	timeout 50 printf one >"$MQ:lines/q"
	timeout 50 printf two >"$MQ:lines/q"
	[ "$(timeout 50 head -n 3 "$MQ:lines,follow/q")" = $'full\none\ntwo' ]
	# At the end of the mount the line is lost, and the log says so.
	echo full >"$MQ:lines/q"
	printf lost >"$MQ:lines/q"
	umount "$MNT"
	wait "$DAEMON"
	logged "a queue did not get an unfinished line of 4 bytes"
	[ "$(native receive q)" = full ]
	native unlink q
	ipcfs_start
}

@test "lines: a write that waits or is interrupted returns what it has sent" {
	: >"$MQ:maxmsg=2,msgsize=64/q"
	timeout 250 python3 - "$MQ" <<-'END'
		import os, signal, sys
		mq = sys.argv[1]
		fd = os.open(mq + ":lines/q", os.O_WRONLY | os.O_NONBLOCK)
		assert os.write(fd, b"1\n2\n3\n4") == 4
		try:
		    os.write(fd, b"3\n4")
		    assert False
		except BlockingIOError:
		    pass
		# The beginning of a line needs no room, so it is accepted.
		assert os.write(fd, b"3") == 1
		try:
		    os.write(fd, b"3\n")
		    assert False
		except BlockingIOError:
		    pass
		for want in b"1", b"2":
		    reader = os.open(mq + "/q", os.O_RDONLY)
		    assert os.read(reader, 100) == want
		    os.close(reader)
		assert os.write(fd, b"3\n4\n") == 4
	END
	[ "$(cat "$MQ:lines/q")" = $'33\n4' ]
	# The write sends two lines, and waits with the third until a signal comes.
	python3 - "$MQ:lines/q" >"$WORK/sent" <<-'END' 3>&- &
		import os, signal, sys
		signal.signal(signal.SIGUSR1, lambda *_: None)
		print(os.write(os.open(sys.argv[1], os.O_WRONLY), b"5\n66\n7\n8"))
	END
	eventually waits $!
	kill -USR1 $!
	wait $!
	[ "$(cat "$WORK/sent")" -eq 5 ]
	[ "$(cat "$MQ:lines/q")" = $'5\n66' ]
	rm "$MQ/q"
}

@test "lines,prefix: dump and restore" {
	native create q
	for n in 3 0 12 3; do
		echo "of $n" >"$MQ:lines,priority=$n/q"
	done
	native send q '' 7
	cat "$MQ:lines,prefix,drain/q" >"$WORK/dump"
	[ "$(cat "$WORK/dump")" = $'12 of 12\n7 \n3 of 3\n3 of 3\n0 of 0' ]
	[ "$(messages)" -eq 0 ]
	cat "$WORK/dump" >"$MQ:lines,prefix/q"
	[ "$(native receive q)" = 'of 12' ]
	cat "$MQ:lines,prefix,drain/q" | cmp - <(tail -n +2 "$WORK/dump")
	# A line without a priority is refused, also at the end.
	for text in $'1 one\ntwo\n3 three\n' two 99999; do
		# shellcheck disable=SC2016 # it is the other shell's
		run sh -c 'printf %s "$1" | dd of="$2" conv=notrunc status=none' - \
			"$text" "$MQ:lines,prefix/q"
		echo "$text: $output"
		[[ $output == *"Invalid argument"* ]]
	done
	[ "$(cat "$MQ:lines,drain/q")" = one ]
	rm "$MQ/q"
}

@test "prefix: messages of any bytes are dumped and restored one by one" {
	: >"$MQ:maxmsg=10,msgsize=64/q"
	python3 - "$MQ" <<-'END'
		import os, random, sys
		mq = sys.argv[1]
		rest = random.Random(1)
		prefix = os.open(mq + ":prefix,drain/q", os.O_RDWR)
		def read_all():
		    return list(iter(lambda: os.read(prefix, 100), b""))
		messages = [b"%d " % rest.choice((0, 9, 32767)) + rest.randbytes(rest.randrange(65)) for _ in range(10)]
		for message in messages:
		    assert os.write(prefix, message) == len(message)
		# Python's sort keeps the order of equal messages.
		want = sorted(messages, key=lambda m: -int(m.split(b" ")[0]))
		dump = read_all()
		assert dump == want, (dump, want)
		for message in dump:
		    os.write(prefix, message)
		assert read_all() == want
	END
	rm "$MQ/q"
}

@test "lines: an unfinished line that finds no room for a minute is lost, and the log says so" {
	: >"$MQ:maxmsg=1,msgsize=64/q"
	echo full >"$MQ:lines/q"
	printf lost >"$MQ:lines/q"
	sleep 59
	eventually grep -qF "a queue did not get an unfinished line of 4 bytes: it was full for a minute" "$LOG"
	logged "ipcfs: a queue did not get an unfinished line of 4 bytes: it was full for a minute"
	[ "$(timeout 50 cat "$MQ:lines/q")" = full ]
	rm "$MQ/q"
}
