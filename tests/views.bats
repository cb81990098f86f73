# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Queues seen through options, in the path or after -o.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

is_drained() {
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
}

# is_refused VIEW OPTION WHY: the view must fail with EINVAL, and the log must say why.
is_refused() {
	run ls "$MQ:$1"
	echo "$1: $output"
	[[ $output == *"Invalid argument" ]]
	logged "view option '$2': $3"
}

@test "views are found by name, list the queues, and aren't listed" {
	native create q 1 10
	for view in priority=1 drain prefix,priority=32767 maxmsg=1,msgsize=2,follow; do
		[ "$(ls "$MQ:$view")" = q ]
		[ "$(stat -c %i "$MQ:$view/q")" = "$(stat -c %i "$MQ/q")" ]
	done
	[ "$(ls "$MNT")" = $'mq\nsem\nshm' ]
	rm "$MQ:drain/q"
	[ ! -e "$MQ/q" ]
}

@test "tail -f shows each message once, whatever the view" {
	local name n tail

	native create q 10 100
	for name in mq mq:lines mq:prefix mq:drain mq:lines,prefix; do
		printf 'first\n' >"$MQ/q"
		stdbuf -o0 tail -s 0.05 -f "$MNT/$name/q" >"$WORK/out" 2>"$WORK/said" 3>&- &
		tail=$!
		n=0
		# Messages one by one and in pairs, of all lengths, with priorities that st_size
		# doesn't include.
		for text in 1 2 longer 3 4 'a long one' 5 $'two\nlines' '' 6; do
			eventually grep -q . "$WORK/out"
			native send q "$text"$'\n' $((n * 77))
			n=$((n + 1))
			[ $((n % 3)) -eq 0 ] || eventually is_drained
		done
		eventually is_drained
		native send q $'the end\n'
		eventually grep -q 'the end' "$WORK/out"
		kill $tail
		wait $tail || true
		[ ! -s "$WORK/said" ]
		[ "$(grep -c 'first' "$WORK/out")" -eq 1 ]
		[ "$(grep -cE '^([0-9]+ )?[1-6]$' "$WORK/out")" -eq 6 ]
		[ "$(sed -E 's/^[0-9]+ //; /^$/d' "$WORK/out" | grep -vE '^[1-6]$' | sort)" = \
			$'a long one\nfirst\nlines\nlonger\nthe end\ntwo' ]
	done
	rm "$MQ/q"
}

@test "a reader with a position reads new messages" {
	native create q
	native send q 12345
	exec 5<"$MQ/q"
	exec 6<>"$MQ/q"
	size() {
		stat -Lc %s "/proc/self/fd/$1"
	}
	[ "$(size 5) $(size 6)" = "5 5" ]
	[ "$(dd bs=2 count=1 status=none <&5)" = 12 ]
	[ "$(size 5) $(size 6) $(stat -c %s "$MQ/q")" = "5 0 0" ]
	native send q 678
	[ "$(size 5) $(size 6) $(stat -c %s "$MQ/q")" = "8 3 3" ]
	[ "$(cat <&5)" = 345678 ]
	[ "$(size 5) $(size 6) $(stat -c %s "$MQ/q")" = "8 0 0" ]
	exec 5<&- 6>&-
	rm "$MQ/q"
}

@test "a wrong view is EINVAL, and the log names the option" {
	is_refused '' '' 'there is no such option; try: ipcfs -h'
	for view in nonsense priority drain=1 Drain ' drain'; do
		is_refused "$view" "$view" 'there is no such option'
	done
	for number in '' x -1 +1 32768 1x ' 1'; do
		is_refused "priority=$number" "priority=$number" 'it takes a number from 0 to 32767'
	done
	for option in maxmsg=0 msgsize=0 msgsize=99999999999999999999; do
		is_refused "lines,$option" $option 'it takes a number from 1 to 9223372036854775807'
	done
	for seconds in '' x -1 +1 1.2.3 . 1e3 0x1 nan inf ' 1' 1s 1000000.1 99999999999999999999; do
		is_refused "timeout=$seconds" "timeout=$seconds" 'it takes seconds from 0 to 1000000, such as 1.5'
	done
	is_refused drain,timeout=1 timeout=1 'timeout and drain exclude each other'
	is_refused timeout=0,drain drain 'timeout and drain exclude each other'
	is_refused info,timeout=1 timeout=1 'info excludes all but holders'
	is_refused timeout=1,timeout=1 timeout=1 'it is given twice'
	is_refused drain,drain drain 'it is given twice'
	is_refused priority=1,priority=2 priority=2 'it is given twice'
	is_refused drain,nonsense nonsense 'there is no such option'
	is_refused ,drain '' 'there is no such option'
	is_refused drain, '' 'there is no such option'
	is_refused follow,drain drain 'follow and drain exclude each other'
	is_refused info,lines lines 'info excludes all but holders'
	is_refused 'drai\n' 'drai\n' 'there is no such option'
	is_refused 'priority=\061' 'priority=\061' 'it takes a number'
	# A name must not add lines to the log, or control a terminal.
	is_refused $'x\nipcfs: forged \e[31m\xc2\x9b' 'x?ipcfs: forged ?[31m??' 'there is no such option'
	long=$(printf 'x%.0s' {1..252})
	is_refused "$long" "$long" 'there is no such option'
	run touch "$MQ:nonsense/q"
	[[ $output == *"Invalid argument" ]]
	logged nonsense
}

@test "other names beside mq do not exist" {
	for name in mqs mqs:drain m : mq/q:info nonsense; do
		run ls "$MNT/$name"
		echo "$name: $output"
		[[ $output == *"No such file or directory" ]]
	done
}

@test "priority: written messages have the priority" {
	native create q
	for n in 3 32767 0 9; do
		echo "$n" >"$MQ:priority=$n/q"
	done
	[ "$(cat "$MQ/q")" = $'32767\n9\n3\n0' ]
	rm "$MQ/q"
}

@test "maxmsg and msgsize: new queues have these attributes" {
	: >"$MQ:maxmsg=3,msgsize=100/a"
	: >"$MQ:maxmsg=4/b"
	: >"$MQ:msgsize=200/c"
	python3 - "$TESTS" <<-'END'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		import native
		default = [int(open("/proc/sys/fs/mqueue/" + n).read()) for n in ("msg_default", "msgsize_default")]
		want = {"a": (3, 100), "b": (4, default[1]), "c": (default[0], 200)}
		for name, attributes in want.items():
		    attr = native.mq_attr(native.mq_open(name, os.O_RDONLY))
		    assert (attr.maxmsg, attr.msgsize) == attributes, name
	END
	# An existing queue keeps its own attributes.
	echo text >"$MQ:maxmsg=1,msgsize=1/a"
	[ "$(cat "$MQ/a")" = text ]
	rm "$MQ"/[abc]
	# Above the limits the error is that of mq_open, and no queue is made.
	for pair in maxmsg=100000:msg_max msgsize=100000000:msgsize_max; do
		view=${pair%:*}
		limit=fs.mqueue.${pair#*:}
		run dd of="$MQ:$view/"$'q\n' status=none if=/dev/null
		[[ $output == *"Invalid argument" ]]
		logged "ipcfs: queue 'q?' can't be created: $view is above $limit, $(cat "/proc/sys/${limit//./\/}"); try: sudo sysctl $limit=${view#*=}"
	done
	# Beyond queues_max, for a root without CAP_SYS_RESOURCE.
	max=$(cat /proc/sys/fs/mqueue/queues_max)
	echo 1 >/proc/sys/fs/mqueue/queues_max
	: >"$MQ:maxmsg=1,msgsize=1/first"
	run setpriv --bounding-set=-sys_resource touch "$MQ:maxmsg=1,msgsize=1/q"
	[[ $output == *"No space left on device" ]]
	logged "ipcfs: queue 'q' can't be created: there are as many as fs.mqueue.queues_max allows, 1; try: sudo sysctl fs.mqueue.queues_max=2"
	echo "$max" >/proc/sys/fs/mqueue/queues_max
	rm "$MQ/first"
	# Beyond RLIMIT_MSGQUEUE.
	run bash -c "ulimit -q 5000; : >'$MQ:maxmsg=5,msgsize=1000/q'"
	[[ $output == *'Too many open files' ]]
	logged "ipcfs: queue 'q' can't be created: RLIMIT_MSGQUEUE (ulimit -q) or RLIMIT_NOFILE is used up; try: sudo prlimit --pid \$\$ --msgqueue=unlimited"
	[ -z "$(ls "$NATIVE")" ]
}

@test "prefix: the priority precedes each message, in both directions" {
	native create q
	printf '7 seven' >"$MQ:prefix/q"
	printf '12 ' >"$MQ:prefix/q"
	printf '0 0 zero' >"$MQ:prefix/q"
	native send q 'nine lives' 9
	for want in '12 ' '9 nine lives' '7 seven' '0 0 zero'; do
		[ "$(dd if="$MQ:prefix/q" bs=100 count=1 status=none)" = "$want" ]
	done
	for text in x ' x' '1' '1x' '32768 x' '-1 x' '+1 x' '99999999999999999999 x' ''; do
		run dd of="$MQ:prefix/q" bs=100 conv=notrunc status=none <<<"$text"
		echo "$text: $output"
		[[ $output == *"Invalid argument" ]]
	done
	[ "$(stat -c %s "$MQ/q")" -eq 0 ]
	# The priority in the text wins, and doesn't count as a part of the message.
	printf '3 text' >"$MQ:prefix,priority=5/q"
	[ "$(cat "$MQ:prefix/q")" = '3 text' ]
	rm "$MQ/q"
	native create q 2 4
	printf '31 1234' >"$MQ:prefix/q"
	run dd of="$MQ:prefix/q" bs=100 conv=notrunc status=none <<<'31 1234'
	[[ $output == *"Message too long" ]]
	[ "$(native receive q)" = 1234 ]
	rm "$MQ/q"
}

@test "drain: an empty queue is end of file at once" {
	: >"$MQ/q"
	[ -z "$(timeout 60 cat "$MQ:drain/q")" ]
	echo x >"$MQ/q"
	[ "$(timeout 60 cat "$MQ:drain/q")" = x ]
	[ -z "$(timeout 60 dd if="$MQ:drain/q" iflag=nonblock status=none)" ]
	rm "$MQ/q"
}

@test "follow: an empty queue always waits" {
	: >"$MQ/q"
	cat "$MQ:follow/q" >"$WORK/out" 3>&- &
	reader=$!
	for i in 1 2 3; do
		eventually waits $reader
		echo "$i" >"$MQ/q"
	done
	three() { [ "$(wc -l <"$WORK/out")" -eq 3 ]; }
	eventually three
	eventually waits $reader
	kill $reader
	wait $reader || [ $? -eq 143 ]
	run dd if="$MQ:follow/q" iflag=nonblock status=none
	[[ $output == *"Resource temporarily unavailable" ]]
	rm "$MQ/q"
}

@test "timeout: reads and writes end with ETIMEDOUT" {
	: >"$MQ:maxmsg=2,msgsize=10/q"
	for seconds in 0 0.0 0.0001 .01 0.01 1.; do
		run cat "$MQ:timeout=$seconds/q"
		echo "$seconds: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"Connection timed out" ]]
	done
	echo one >"$MQ:timeout=0/q"
	echo two >"$MQ:timeout=0.01/q"
	for seconds in 0 0.01; do
		run bash -c "echo more >$MQ:timeout=$seconds/q"
		[ "$status" -eq 1 ]
		[[ $output == *"Connection timed out" ]]
		run dd of="$MQ:timeout=$seconds/q" oflag=nonblock conv=notrunc status=none <<<more
		[[ $output == *"Resource temporarily unavailable" ]]
	done
	[ "$(cat "$MQ:timeout=0/q")" = $'one\ntwo' ]
	run dd if="$MQ:timeout=0/q" iflag=nonblock status=none
	[[ $output == *"Resource temporarily unavailable" ]]
	# A message in time ends the wait.
	cat "$MQ:timeout=1000000,prefix/q" >"$WORK/out" 3>&- &
	eventually waits $!
	echo three >"$MQ:priority=3,timeout=1/q"
	wait $!
	[ "$(cat "$WORK/out")" = '3 three' ]
	rm "$MQ/q"
}

@test "timeout: an empty queue is still end of file, but not with follow" {
	: >"$MQ/q"
	echo one >"$MQ/q"
	[ "$(cat "$MQ:timeout=0.01/q")" = one ]
	echo one >"$MQ/q"
	run cat "$MQ:timeout=0.01,follow/q"
	[ "$status" -eq 1 ]
	[[ $output == one$'\n'*"Connection timed out" ]]
	# The timeout counts for each read, also after an end of file and after a timeout.
	python3 - "$MQ:timeout=0.01/q" <<-'END'
		import errno, os, sys
		out = os.open(sys.argv[1], os.O_WRONLY)
		fd = os.open(sys.argv[1], os.O_RDONLY)
		def read():
		    try:
		        return os.read(fd, 100)
		    except TimeoutError:
		        return errno.ETIMEDOUT
		for i in range(3):
		    assert read() == errno.ETIMEDOUT
		    os.write(out, b"one")
		    os.write(out, b"two")
		    assert [read() for _ in range(4)] == [b"one", b"two", b"", errno.ETIMEDOUT]
	END
	rm "$MQ/q"
}

@test "timeout: no line is lost or sent twice" {
	: >"$MQ:maxmsg=2,msgsize=10/q"
	python3 - "$MQ:lines,timeout" <<-'END'
		import errno, os, random, sys
		out = os.open(sys.argv[1] + "=0.01/q", os.O_WRONLY)
		fd = os.open(sys.argv[1] + "=0,follow/q", os.O_RDONLY)
		random.seed(1)
		lines = b"".join(b"%d\n" % i * (i % 3) for i in range(500))
		sent, got, timeouts = 0, b"", 0
		while sent < len(lines) or len(got) < len(lines):
		    if sent < len(lines) and random.random() < 0.6:
		        try:
		            sent += os.write(out, lines[sent:sent + random.randint(1, 40)])
		        except TimeoutError:
		            timeouts += 1
		    else:
		        try:
		            got += os.read(fd, random.randint(1, 30))
		        except TimeoutError:
		            timeouts += 1
		assert got == lines
		assert timeouts > 100
		# The beginning of the line is still kept.
		os.write(out, b"1\n2\nbe")
		for i in range(2):
		    try:
		        os.write(out, b"gin\n")
		        assert False
		    except TimeoutError:
		        pass
		assert os.read(fd, 10) == b"1\n"
		os.write(out, b"gin\n")
		assert os.read(fd, 10) + os.read(fd, 10) == b"2\nbegin\n"
	END
	rm "$MQ/q"
}

@test "mq:info describes each queue" {
	local used

	used="used $(of_queue no)"
	native create q 5 100 640
	chown 12:34 "$MQ/q"
	native send q text
	eventually grep -qx "$used" "$MQ:info/q"
	[ "$(cat "$MQ:info/q")" = "name q
maxmsg 5
msgsize 100
curmsgs 1
bytes 4
notify 0
readers 0
writers 0
uid 12
gid 34
mode 0640
$used" ]
	[ "$(grep . "$MQ:info"/* | head -n1)" = "name q" ]
	[ "$(wc -l <"$MQ:info/q")" -eq 12 ]
	[ "$(dd if="$MQ:info/q" bs=1 status=none | tail -n1)" = "$used" ]
	for command in "dd of=$MQ:info/q conv=notrunc" "chmod 600 $MQ:info/q" \
		"touch $MQ:info/new" "truncate -s 0 $MQ:info/q" "rm $MQ:info/q"; do
		# shellcheck disable=SC2086 # words
		run $command </dev/null
		echo "$command: $output"
		[ "$status" -ne 0 ]
	done
	[ "$(cat "$MQ/q")" = text ]
	rm "$MQ/q"
}

@test "mq:info counts the readers and writers that wait" {
	local reader writers=()

	are_waiting() {
		[ "$(grep -E '^(readers|writers) ' "$MQ:info/$1")" = "readers $2"$'\n'"writers $3" ]
	}
	native create q 1 10
	native create full 1 10
	echo first >"$MQ/full"
	cat "$MQ/q" >"$WORK/out" 3>&- &
	reader=$!
	cat "$MQ:follow,timeout=0.01/q" 2>/dev/null 3>&- || true
	for i in 1 2 3; do
		/bin/echo "$i" >>"$MQ:priority=$i/full" 3>&- &
		writers+=($!)
	done
	eventually are_waiting full 0 3
	eventually are_waiting q 1 0
	kill "${writers[0]}"
	wait "${writers[0]}" || true
	are_waiting full 0 2
	rm "$MQ/full"
	kill "${writers[@]:1}"
	wait "${writers[@]:1}" || true
	echo x >"$MQ/q"
	wait $reader
	are_waiting q 0 0
	rm "$MQ/q"
}

@test "shm:info describes each object" {
	printf 12345 >"$SHM/o"
	chmod 640 "$SHM/o"
	: >/dev/shm/sem.s
	[ "$(ls "$MNT/shm:info")" = o ]
	[ "$(cat "$MNT/shm:info/o")" = "name o
size 5
allocated 4096
uid 0
gid 0
mode 0640
used no" ]
	[ "$(stat -c '%a %s' "$MNT/shm:info/o")" = "440 0" ]
	for command in "dd of=$MNT/shm:info/o conv=notrunc" "chmod 600 $MNT/shm:info/o" \
		"touch $MNT/shm:info/new" "rm $MNT/shm:info/o" "setfattr -n user.a $MNT/shm:info/o"; do
		# shellcheck disable=SC2086 # words
		run $command </dev/null
		echo "$command: $output"
		[ "$status" -ne 0 ]
	done
	run ls "$MNT/shm:drain"
	[[ $output == *"Invalid argument" ]]
	logged "view option 'drain': there is no such option"
	[ "$(cat "$SHM/o")" = 12345 ]
	rm "$SHM/o" /dev/shm/sem.s
}

@test "options after -o apply to mq/" {
	ipcfs_end
	ipcfs_mount -o drain,priority=4,maxmsg=2
	: >"$MQ/q"
	[ -z "$(timeout 60 cat "$MQ/q")" ]
	echo x >"$MQ/q"
	[ "$(cat "$MQ:prefix/q")" = "4 x" ]
	rm "$MQ/q"
	ipcfs_end
	ipcfs_mount -o timeout=0.01
	: >"$MQ/q"
	run cat "$MQ/q"
	[[ $output == *"Connection timed out" ]]
	rm "$MQ/q"
}

@test "wrong options after -o are named, exit status 2" {
	for pair in 'priority=x:0 to 32767' 'maxmsg=0:1 to' 'drain,drain:twice' \
		'drain,follow:exclude' 'timeout=0,drain:timeout and drain exclude' \
		"timeout=1.2.3:'timeout=1.2.3': it takes seconds" 'timeout=:seconds' \
		'timeout=-1:seconds' 'timeout=1000001:0 to 1000000' 'prefix=3:prefix=3'; do
		run timeout 60 "$IPCFS" -o "${pair%%:*}" "$WORK"
		echo "$status: $output"
		[ "$status" -eq 2 ]
		[[ $output == *"${pair#*:}"* ]]
	done
}

@test "the directory of a view keeps its identity" {
	cd "$MQ:drain"
	ls -d "$MQ:drain" "$MQ:priority=1" >/dev/null
	[ "$(pwd -P)" = "$(realpath "$MQ:drain")" ]
	[ "$(/bin/pwd)" = "$PWD" ]
	: >here
	[ -e "$MQ/here" ]
	rm here
	cd /
}

@test "a user who can't read a queue doesn't learn its content" {
	ipcfs_end
	ipcfs_mount -o allow_other
	let_all_in
	native create q 2 10 600
	native send q text
	as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	for command in "cat $MQ/q" "cat $MQ:info/q" "getfattr -n user.mq.bytes $MQ/q"; do
		# shellcheck disable=SC2086 # words
		run as_nobody $command
		echo "$command: $output"
		[[ $output == *"Permission denied" ]]
	done
	[ "$(native receive q)" = text ]
	rm "$MQ/q"
}

@test "repeated refusals don't fill the log" {
	for i in {1..200}; do
		not touch "$MQ:msgsize=99999999/$i" 2>/dev/null
	done
	[ "$(grep -c 'msgsize=99999999 is above fs.mqueue.msgsize_max' "$LOG")" -eq 50 ]
	[ "$(wc -l <"$LOG")" -eq 51 ]
	[ "$(tail -n 1 "$LOG")" = 'ipcfs: 50 warnings in a minute; the next are not logged until it has passed' ]
	: >"$LOG"
}
