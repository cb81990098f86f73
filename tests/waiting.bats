# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Many who wait, and the ways in which waiting ends.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	ipcfs_end
}

# start COMMAND ARG...: in the background, with SIGINT not ignored as a shell
# would have it. Its pid is in STARTED.
start() {
	env --default-signal=INT "$@" 3>&- &
	STARTED=$!
}

# append FILE TEXT: starts a command that appends with one write.
append() {
	# shellcheck disable=SC2016 # it is the other shell's
	start sh -c 'exec /bin/echo "$2" >>"$1"' - "$@"
}

# ends_with STATUS PID: also that it ends at all.
ends_with() {
	local status=0

	wait "$2" || status=$?
	[ "$status" -eq "$1" ]
}

make_full() {
	native create "$1" 1 10
	native send "$1" first
}

@test "200 readers and 200 writers wait, and nobody else has to" {
	local pids=()

	native create empty 1 10
	make_full full
	for _ in {1..200}; do
		start cat "$MQ/empty"
		pids+=("$STARTED")
		append "$MQ/full" x
		pids+=("$STARTED")
	done
	eventually waits "${pids[@]}"
	[ "$(find "/proc/$DAEMON/task" -mindepth 1 -maxdepth 1 | wc -l)" -lt 32 ]
	# shellcheck disable=SC2012 # the names are known
	[ "$(timeout 10 ls -l "$MQ" | grep -c ' root root ')" -eq 2 ]
	[ "$(timeout 10 stat -c %s "$MQ/full")" -eq 5 ]
	timeout 10 sh -c ": >'$MQ/other'; echo x >'$SHM/other'; chmod 600 '$MQ/full'"
	kill -INT "${pids[@]}"
	for pid in "${pids[@]}"; do
		ends_with 130 "$pid"
	done
	# Nothing of it was sent.
	[ "$(native receive full)" = first ]
	run native receive full
	[ "$output" = EAGAIN ]
	rm "$MQ"/* "$SHM"/*
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

@test "Ctrl-C ends each of two who append to a full queue, the second first" {
	make_full q
	append "$MQ/q" one
	one=$STARTED
	eventually waits "$one"
	append "$MQ/q" two
	two=$STARTED
	eventually waits "$one" "$two"
	kill -INT "$two"
	ends_with 130 "$two"
	waits "$one"
	kill -INT "$one"
	ends_with 130 "$one"
	[ "$(native receive q)" = first ]
	run native receive q
	[ "$output" = EAGAIN ]
	rm "$MQ/q"
}

@test "two who share one open file to write with end one after the other" {
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

@test "readers are served in the order in which they came" {
	local pids=()

	: >"$MQ/q"
	for i in {1..8}; do
		cat "$MQ/q" >"$WORK/$i" 3>&- &
		pids+=($!)
		eventually waits $!
	done
	# One of them leaves the line.
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

@test "writers are served in the order in which they came" {
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

@test "a read with a signal handler is EINTR, and the message stays" {
	: >"$MQ/q"
	python3 - "$MQ/q" <<-'END'
		import ctypes, errno, os, signal, sys
		signal.signal(signal.SIGALRM, lambda *_: None)
		fd = os.open(sys.argv[1], os.O_RDONLY)
		libc = ctypes.CDLL(None, use_errno=True)
		signal.setitimer(signal.ITIMER_REAL, 0.1)
		# Not os.read(), which tries again after EINTR.
		assert libc.read(fd, ctypes.create_string_buffer(10), 10) == -1
		assert ctypes.get_errno() == errno.EINTR
		out = os.open(sys.argv[1], os.O_WRONLY)
		os.write(out, b"x")
		assert os.read(fd, 10) == b"x"
		for i in range(10):
		    os.write(out, b"x")
		signal.setitimer(signal.ITIMER_REAL, 0.1)
		assert libc.write(out, b"y", 1) == -1
		assert ctypes.get_errno() == errno.EINTR
		assert os.stat(sys.argv[1]).st_size == 10
	END
	rm "$MQ/q"
}

@test "threads that read and write one O_RDWR descriptor don't block each other" {
	: >"$MQ/q"
	timeout 20 python3 - "$MQ/q" <<-'END'
		import os, sys, threading
		fd = os.open(sys.argv[1], os.O_RDWR)
		got = []
		reader = threading.Thread(target=lambda: got.append(os.read(fd, 100)))
		reader.start()
		wchan = f"/proc/self/task/{reader.native_id}/wchan"
		while open(wchan).read() != "request_wait_answer":
		    pass
		os.write(fd, b"through the same descriptor")
		reader.join()
		assert got == [b"through the same descriptor"]
	END
	rm "$MQ/q"
}

@test "who waits holds up neither rm nor a new queue of the name" {
	: >"$MQ/q"
	cat "$MQ/q" >"$WORK/out" 3>&- &
	reader=$!
	eventually waits $reader
	timeout 10 rm "$MQ/q"
	echo new >"$MQ/q"
	waits $reader
	kill $reader
	ends_with 143 $reader
	[ "$(cat "$MQ/q")" = new ]
	rm "$MQ/q"
}

@test "natives and the mount together move every message once" {
	native create q 10 64
	timeout 60 python3 - "$TESTS" "$MQ/q" <<-'END'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		import native
		PER, SENDERS, READERS = 2000, 4, 4
		path = sys.argv[2]

		def send(n):
		    if n % 2:
		        mqd = native.mq_open("q", os.O_WRONLY)
		        put = lambda data: native.mq_send(mqd, data)
		    else:
		        fd = os.open(path, os.O_WRONLY)
		        put = lambda data: os.write(fd, data)
		    for i in range(PER):
		        put(b"%d.%d" % (n, i))

		def receive(n, out):
		    if n % 2:
		        mqd = native.mq_open("q", os.O_RDONLY)
		        get = lambda: native.mq_receive(mqd)
		    else:
		        fd = os.open(path, os.O_RDONLY)
		        get = lambda: os.read(fd, 64)
		    while (data := get()) != b"stop":
		        # A queue that is empty for a moment is an end of file.
		        if data:
		            os.write(out, data + b"\n")

		def fork(f, *args):
		    pid = os.fork()
		    if pid == 0:
		        try:
		            f(*args)
		        finally:
		            os._exit(0)
		    return pid

		r, w = os.pipe()
		collector_r, collector_w = os.pipe()
		readers = [fork(receive, n, w) for n in range(READERS)]
		senders = [fork(send, n) for n in range(SENDERS)]
		os.close(w)

		def stop():
		    for pid in senders:
		        os.waitpid(pid, 0)
		    mqd = native.mq_open("q", os.O_WRONLY)
		    for _ in readers:
		        native.mq_send(mqd, b"stop")

		stopper = __import__("threading").Thread(target=stop)
		stopper.start()
		got = open(r, "rb").read().split()
		stopper.join()
		want = {b"%d.%d" % (n, i) for n in range(SENDERS) for i in range(PER)}
		assert len(got) == len(want), (len(got), len(want))
		assert set(got) == want
	END
	rm "$MQ/q"
}

@test "readers killed at random lose at most the message that each was given" {
	native create q 10 64
	timeout 60 python3 - "$TESTS" "$MQ/q" <<-'END'
		import os, random, signal, sys, threading
		sys.path.insert(0, sys.argv[1])
		import native
		N, path = 3000, sys.argv[2]
		random.seed(1)
		r, w = os.pipe()

		def reader():
		    pid = os.fork()
		    if pid == 0:
		        os.close(r)
		        fd = os.open(path, os.O_RDONLY)
		        while True:
		            data = os.read(fd, 64)
		            if data:
		                os.write(w, data + b"\n")
		    return pid

		readers = [reader() for _ in range(4)]
		got, killed = [], 0
		collector = threading.Thread(
		    target=lambda: got.extend(open(r, "rb").read().split()))
		collector.start()
		mqd = native.mq_open("q", os.O_WRONLY)
		for i in range(N):
		    native.mq_send(mqd, b"%d" % i)
		    if i % 30 == 0:
		        n = random.randrange(len(readers))
		        os.kill(readers[n], signal.SIGKILL)
		        os.waitpid(readers[n], 0)
		        killed += 1
		        readers[n] = reader()
		while native.mq_attr(mqd).curmsgs:
		    pass
		for pid in readers:
		    os.kill(pid, signal.SIGTERM)
		    os.waitpid(pid, 0)
		os.close(w)
		collector.join()
		assert len(set(got)) == len(got), "a message was read twice"
		lost = N - len(got)
		assert lost <= killed + len(readers), (lost, killed)
		print(f"{killed} readers killed, {lost} messages went with them")
	END
	rm "$MQ/q"
}
