# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# mq:peek: the messages of a queue are shown and stay there.

load mount.bash

setup() {
	ipcfs_mount -o allow_other
	let_all_in
	PEEK=$MNT/mq:peek
	# The daemon keeps one more descriptor from its first peek on.
	native create first 1 1
	[ "$(cat "$PEEK/first")" = '' ]
	native unlink first
	DAEMON_FDS=$(fds "$DAEMON")
}

teardown() {
	rm -f "$MQ"/*
	ipcfs_end
}

# make NAME MAXMSG MSGSIZE [PRIORITY TEXT]...: makes a queue with messages.
make() {
	native create "$1" "$2" "$3"
	local name=$1

	shift 3
	while (($#)); do
		printf '%b' "$2" >"$MQ:priority=$1/$name"
		shift 2
	done
}

@test "messages are shown in the order of receiving, and stay" {
	make q 10 20 1 one 0 zero 32767 first 1 'one again' 7 seven
	native send q ''
	[ "$(cat "$MNT/mq:peek,prefix,lines/q")" = "$(printf '%s\n' \
		'32767 first' '7 seven' '1 one' '1 one again' '0 zero' '0 ')" ]
	[ "$(cat "$MNT/mq:lines,peek/q")" = "$(printf '%s\n' \
		first seven one 'one again' zero '')" ]
	[ "$(cat "$PEEK/q")" = firstsevenoneone\ againzero ]
	[ "$(cat "$MNT/mq:peek,prefix/q")" = '32767 first7 seven1 one1 one again0 zero0 ' ]
	[ "$(getfattr --only-values -n user.mq.curmsgs "$PEEK/q")" = 6 ]
	[ "$(cat "$MNT/mq:prefix,lines,drain/q")" = "$(printf '%s\n' \
		'32767 first' '7 seven' '1 one' '1 one again' '0 zero' '0 ')" ]
	[ "$(cat "$PEEK/q")" = '' ]
}

@test "very many priorities, sent in any order" {
	local i

	echo 100 >/proc/sys/fs/mqueue/msg_max
	native create q 100 4
	for i in {0..99}; do
		echo -n "$i" >"$MQ:priority=$((i * 7919 % 100))/q"
	done
	cat "$MNT/mq:peek,prefix,lines/q" >"$WORK/peeked"
	[ "$(wc -l <"$WORK/peeked")" -eq 100 ]
	cut -d' ' -f1 "$WORK/peeked" | diff - <(seq 99 -1 0)
	diff "$WORK/peeked" <(cat "$MNT/mq:drain,prefix,lines/q")
}

@test "bytes of any value, and messages of every length about a page" {
	local n

	head -c 20000 /dev/urandom >"$WORK/bytes"
	native create q 8 8192
	for n in 4040 4047 4048 4049 4096 8135 8136 8192; do
		head -c $n "$WORK/bytes" | dd of="$MQ/q" bs=8192 iflag=fullblock status=none
	done
	cat "$PEEK/q" >"$WORK/peeked"
	[ "$(stat -c %s "$WORK/peeked")" -eq "$(stat -c %s "$MQ/q")" ]
	cmp "$PEEK/q" "$WORK/peeked"
	cmp "$MQ:drain/q" "$WORK/peeked"
}

@test "a message that is larger than the memory kept for messages" {
	head -c 700000 /dev/urandom >"$WORK/bytes"
	echo 700000 >/proc/sys/fs/mqueue/msgsize_max
	setpriv --reuid "$LONER" --regid "$LONER" --clear-groups \
		"$TESTS/native.py" create q 1 700000
	dd if="$WORK/bytes" of="$MQ/q" bs=700000 iflag=fullblock status=none
	cmp "$PEEK/q" "$WORK/bytes"
	cmp "$PEEK/q" "$WORK/bytes"
	# The message's memory was freed, and with it the program.
	DAEMON_FDS=$((DAEMON_FDS - 1))
}

@test "an empty queue is an empty file at once" {
	native create q 1 10
	[ "$(timeout 250 cat "$PEEK/q")" = '' ]
	[ "$(timeout 250 cat "$MNT/mq:peek,lines,prefix/q")" = '' ]
}

@test "a read from the beginning looks anew, other reads continue in the same text" {
	make q 10 10 0 first
	exec 4<"$PEEK/q"
	[ "$(head -c 3 <&4)" = fir ]
	make_more() { echo -n "$1" >"$MQ/q"; }
	make_more second
	[ "$(cat <&4)" = st ]
	exec 4<&-
	python3 - "$PEEK/q" "$MQ/q" <<-'END'
		import os, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		assert os.pread(fd, 100, 0) == b'firstsecond'
		queue = os.open(sys.argv[2], os.O_RDONLY)
		assert os.read(queue, 100) == b'first'
		assert os.pread(fd, 100, 5) == b'second'
		assert os.pread(fd, 100, 0) == b'second'
		assert os.pread(fd, 100, 6) == b''
		os.unlink(sys.argv[2])
		assert os.pread(fd, 100, 0) == b'second'
		assert os.read(queue, 100) == b'second'
		assert os.pread(fd, 100, 0) == b''
	END
}

@test "tools read a queue as a file of /sys" {
	make q 10 10 0 one 0 two 0 three
	[ "$(stat -c '%s %a' "$PEEK/q")" = '4096 400' ]
	[ "$(head -n1 "$MNT/mq:peek,lines/q")" = one ]
	[ "$(tail -n1 "$MNT/mq:peek,lines/q")" = three ]
	[ "$(tac "$MNT/mq:peek,lines/q")" = $'three\ntwo\none' ]
	[ "$(wc -l <"$MNT/mq:peek,lines/q")" = 3 ]
	[ "$(grep -c t "$MNT/mq:peek,lines/q")" = 2 ]
	cp "$PEEK/q" "$WORK/copy"
	[ "$(cat "$WORK/copy")" = onetwothree ]
	[ "$(ls "$PEEK")" = q ]
}

@test "sendfile and splice are refused, and never see an empty file" {
	make q 10 10 0 one
	python3 - "$PEEK/q" "$WORK/out" <<-'END'
		import errno, os, sys
		queue = os.open(sys.argv[1], os.O_RDONLY)
		out = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
		reader, writer = os.pipe()
		for copy in (lambda: os.sendfile(out, queue, 0, 10),
		             lambda: os.splice(queue, writer, 10)):
		    try:
		        print(copy())
		        assert False
		    except OSError as error:
		        assert error.errno == errno.EINVAL
	END
}

@test "poll says that a queue is always readable" {
	native create q 1 10
	python3 - "$PEEK/q" <<-'END'
		import os, select, sys
		poll = select.poll()
		poll.register(os.open(sys.argv[1], os.O_RDONLY), select.POLLIN)
		assert poll.poll()[0][1] & select.POLLIN
	END
}

@test "nothing can be changed" {
	make q 10 10 0 one
	for flags in oflag=append conv=notrunc; do
		run dd if=/dev/zero of="$PEEK/q" count=1 $flags
		[[ $output == *'Permission denied' ]]
	done
	for command in 'mknod PEEK/new p' 'rm -f PEEK/q' 'chmod 600 PEEK/q' \
		'mv PEEK/q PEEK/r' 'truncate -c -s 0 PEEK/new' 'mkdir PEEK/new'; do
		# shellcheck disable=SC2086 # words
		run ${command//PEEK/"$PEEK"}
		echo "$command: $output"
		[[ $output == *'Operation not permitted' || ! $output ]]
	done
	[ "$(ls "$PEEK")" = q ]
	[ "$(cat "$PEEK/q")" = one ]
}

@test "peek leaves the queue's times unchanged" {
	make q 10 10 0 one
	cat "$PEEK/q"
	touch -d 2001-01-01 "$MQ/q"
	cat "$PEEK/q"
	[ "$(stat -c '%X %Y' "$NATIVE/q")" = '978307200 978307200' ]
	touch -d 2101-01-01 "$MQ/q"
	cat "$PEEK/q"
	[ "$(stat -c '%X %Y' "$NATIVE/q")" = '4133980800 4133980800' ]
}

@test "only root may peek" {
	make q 10 10 0 one
	chmod 666 "$MQ/q"
	as_user ls "$PEEK/q"
	run as_user cat "$PEEK/q"
	[[ $output == *'Permission denied' ]]
	# Root without the capability, or in a user namespace, where it doesn't count.
	run setpriv --bounding-set=-sys_admin --inh-caps=-all cat "$PEEK/q"
	echo "$output"
	[[ $output == *'Permission denied' ]]
	run unshare --user --map-root-user cat "$PEEK/q"
	[[ $output == *'Permission denied' ]]
}

@test "-o peek, and with -o ro" {
	make q 10 10 3 one
	umount "$MNT"
	wait "$DAEMON"
	ipcfs_start -o peek,prefix,ro
	[ "$(cat "$MQ/q")" = '3 one' ]
	[ "$(cat "$MNT/mq:peek/q")" = one ]
	run cat "$MNT/mq:drain/q"
	[[ $output == *'Read-only file system' ]]
	umount "$MNT"
	wait "$DAEMON"
	ipcfs_start
	cat "$PEEK/q"
	DAEMON_FDS=$(fds "$DAEMON")
}

@test "peek can be combined with lines and prefix only" {
	local option

	for option in priority=1 maxmsg=1 msgsize=1 follow drain timeout=1 timeout=0; do
		run ls "$MQ:peek,$option"
		[[ $output == *'Invalid argument' ]]
		logged "view option '$option': peek goes with lines and prefix only"
	done
	run ls "$MQ:peek,info"
	[[ $output == *'Invalid argument' ]]
	logged "view option 'info': info excludes all but holders"
	run ls "$MNT/shm:peek"
	[[ $output == *'Invalid argument' ]]
	logged "view option 'peek': there is no such option"
}

@test "-V says whether peek works, and why not" {
	"$IPCFS" -V | grep -x 'peeking at queues: yes'
	as_user "$IPCFS" -V | grep -x 'peeking at queues: no: it needs root .*'
	strace -f -o /dev/null -e inject=bpf:error=ENOSYS "$IPCFS" -V |
		grep -x 'peeking at queues: no: this kernel has no BPF .*'
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount sh -c 'mount -t tmpfs tmpfs /sys/kernel/security &&
		echo "none [confidentiality]" >/sys/kernel/security/lockdown && exec "$@"' - \
		strace -f -o /dev/null -e inject=bpf:error=EPERM "$IPCFS" -V |
		grep -x 'peeking at queues: no: the kernel is locked down (confidentiality)'
	unshare --mount sh -c 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$@"' - \
		strace -f -o /dev/null -e inject=bpf:error=EINVAL "$IPCFS" -V |
		grep -x 'peeking at queues: no: this kernel has no BTF .*'
}

@test "peek of a daemon without the right: EOPNOTSUPP, and the log says why" {
	mkdir "$WORK/own"
	# shellcheck disable=SC2016 # the inner shell's
	unshare --user --map-root-user --mount --ipc sh -ec '
		"$1" -f "$2" 2>"$3" &
		until [ -d "$2/mq" ]; do sleep 0.01; done
		: >"$2/mq/q"
		! cat "$2/mq:peek/q" 2>"$4"
		umount "$2"
		wait' - "$IPCFS" "$WORK/own" "$WORK/own.log" "$WORK/own.cat" 3>&-
	cat "$WORK/own.log" "$WORK/own.cat"
	grep 'Operation not supported' "$WORK/own.cat"
	grep "a queue can't be peeked at: it needs root" "$WORK/own.log"
}

@test "beside many senders and receivers, peek shows no message that isn't in the queue" {
	run "$PROGRAMS/peek_load" "$MNT"
	echo "$output"
	[ "$status" -eq 0 ]
}
