# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Waiting requests, and the ways in which their waiting ends.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

# start COMMAND ARG...: runs the command in the background, and doesn't ignore SIGINT as
# a shell would. The pid is in STARTED.
start() {
	env --default-signal=INT "$@" 3>&- &
	STARTED=$!
}

# append FILE TEXT: starts a command that appends with one write.
append() {
	# shellcheck disable=SC2016 # it is the other shell's
	start sh -c 'exec /bin/echo "$2" >>"$1"' - "$@"
}

# ends_with STATUS PID: the process must end with this status.
ends_with() {
	local status=0

	wait "$2" || status=$?
	[ "$status" -eq "$1" ]
}

make_full() {
	native create "$1" 1 10
	native send "$1" first
}

@test "Ctrl-C ends a waiting cat" {
	: >"$MQ/q"
	start cat "$MQ/q"
	eventually waits "$STARTED"
	kill -INT "$STARTED"
	ends_with 130 "$STARTED"
	echo kept >"$MQ/q"
	[ "$(cat "$MQ/q")" = kept ]
	rm "$MQ/q"
}

@test "Ctrl-C ends each of two appends to a full queue, the second one first" {
	make_full q
	append "$MQ/q" one
	one=$STARTED
	eventually waits "$one"
	append "$MQ/q" two
	two=$STARTED
	eventually waits "$one" "$two"
	kill -INT "$two"
	ends_with 130 "$two"
	eventually waits "$one"
	kill -INT "$one"
	ends_with 130 "$one"
	[ "$(native receive q)" = first ]
	run native receive q
	[ "$output" = EAGAIN ]
	rm "$MQ/q"
}

@test "two writers that share an open file end one after the other" {
	make_full q
	exec 5>"$MQ/q"
	/bin/echo long one >&5 3>&- &
	one=$!
	eventually waits $one
	/bin/echo long two >&5 3>&- &
	two=$!
	exec 5>&-
	kill -9 $one
	ends_with 137 $one
	kill -9 $two
	ends_with 137 $two
	[ "$(cat "$MQ/q")" = first ]
	rm "$MQ/q"
}

@test "waiting readers are served in their order" {
	local pids=()

	: >"$MQ/q"
	for i in {1..8}; do
		cat "$MQ/q" >"$WORK/$i" 3>&- &
		pids+=($!)
		eventually waits $!
	done
	# One reader stops waiting.
	kill "${pids[3]}"
	ends_with 143 "${pids[3]}"
	for i in 1 2 3 5 6 7 8; do
		native send q "message $i"
	done
	for i in 1 2 3 5 6 7 8; do
		wait "${pids[i - 1]}"
		[ "$(cat "$WORK/$i")" = "message $i" ]
	done
	rm "$MQ/q"
}

@test "waiting writers are served in their order" {
	local pids=()

	make_full q
	for i in {1..8}; do
		/bin/echo "$i" >>"$MQ/q" 3>&- &
		pids+=($!)
		eventually waits $!
	done
	[ "$(native receive q)" = first ]
	for i in {1..8}; do
		wait "${pids[i - 1]}"
		[ "$(native receive q)" = "$i" ]
	done
	rm "$MQ/q"
}

@test "a signal handler ends a read with EINTR; the message stays" {
	: >"$MQ/q"
	python3 - "$MQ/q" <<-'END'
		import ctypes, errno, os, signal, sys
		signal.signal(signal.SIGALRM, lambda *_: None)
		fd = os.open(sys.argv[1], os.O_RDONLY)
		libc = ctypes.CDLL(None, use_errno=True)
		# Signals come again and again, because the first may come before the call.
		signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
		# os.read() would try again after EINTR.
		assert libc.read(fd, ctypes.create_string_buffer(10), 10) == -1
		assert ctypes.get_errno() == errno.EINTR
		signal.setitimer(signal.ITIMER_REAL, 0)
		out = os.open(sys.argv[1], os.O_WRONLY)
		os.write(out, b"x")
		assert os.read(fd, 10) == b"x"
		for i in range(10):
		    os.write(out, b"x")
		signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
		assert libc.write(out, b"y", 1) == -1
		assert ctypes.get_errno() == errno.EINTR
		# Python drops its handlers when it ends.
		signal.setitimer(signal.ITIMER_REAL, 0)
		assert os.stat(sys.argv[1]).st_size == 10
	END
	rm "$MQ/q"
}

@test "threads that read and write one O_RDWR descriptor don't block each other" {
	: >"$MQ/q"
	timeout 250 python3 - "$MQ/q" <<-'END'
		import os, sys, threading, time
		fd = os.open(sys.argv[1], os.O_RDWR)
		got = []
		reader = threading.Thread(target=lambda: got.append(os.read(fd, 100)))
		reader.start()
		wchan = f"/proc/self/task/{reader.native_id}/wchan"
		while open(wchan).read() != "request_wait_answer":
		    time.sleep(0.01)
		os.write(fd, b"through the same descriptor")
		reader.join()
		assert got == [b"through the same descriptor"]
	END
	rm "$MQ/q"
}

@test "a waiter blocks neither rm nor a new queue of the same name" {
	: >"$MQ/q"
	cat "$MQ/q" >"$WORK/out" 3>&- &
	reader=$!
	eventually waits $reader
	timeout 60 rm "$MQ/q"
	echo new >"$MQ/q"
	eventually waits $reader
	kill $reader
	ends_with 143 $reader
	[ "$(cat "$MQ/q")" = new ]
	rm "$MQ/q"
}

@test "two thousand reads with different timeouts all end" {
	: >"$MQ/q"
	python3 - "$MQ" "$DAEMON" <<-'END'
		import os, sys, threading
		threading.stack_size(1 << 17) # the least on arm64
		ends = []
		def read(i):
		    try:
		        fd = os.open(f"{sys.argv[1]}:timeout={1 + i / 1000}/q", os.O_RDONLY)
		        ends.append(os.read(fd, 10))
		    except TimeoutError as error:
		        ends.append(error.errno)
		threads = [threading.Thread(target=read, args=(i * 367 % 2000,)) for i in range(2000)]
		for thread in threads:
		    thread.start()
		tasks = len(os.listdir(f"/proc/{sys.argv[2]}/task"))
		for thread in threads:
		    thread.join()
		assert ends == [110] * 2000, set(ends)
		# The daemon has at most 512 workers.
		assert tasks < 600, tasks
	END
	rm "$MQ/q"
}

# wakeups: prints how often the daemon's thread for waiters has gone to sleep.
wakeups() {
	local task

	for task in "/proc/$DAEMON/task/"*; do
		[ "$(<"$task/comm")" != wait ] ||
			awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "$task/status"
	done
}

@test "messages without a waiter wake no thread" {
	: >"$MQ/q"
	cat "$MQ/q" >"$WORK/out" 3>&- &
	reader=$!
	eventually waits $reader
	echo for cat >"$MQ/q"
	wait $reader
	exec {queue}<>"$MQ/q"
	before=$(wakeups)
	for i in {1..200}; do
		echo "$i" >&"$queue"
		read -r line <&"$queue"
		[ "$line" = "$i" ]
	done
	for i in {1..20}; do
		native send q "$i"
		[ "$(native receive q)" = "$i" ]
	done
	exec {queue}>&-
	[ $(($(wakeups) - before)) -lt 10 ]
	rm "$MQ/q"
}
