# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# poll, select and epoll on queues.

load mount.bash

setup() {
	ipcfs_mount
	native create q 2 64
}

teardown() {
	rm -f "$MQ/q"
	ipcfs_end
}

# polling: runs the Python program on stdin with: path, native (the module), fd
# (O_RDWR | O_NONBLOCK on the mount), mqd (the same natively), and
#   waiter(f)       runs f in a thread that has begun to wait
#   settle()        waits until the daemon has sent its notifications
polling() {
	timeout 250 python3 -c "
import asyncio, os, re, select, selectors, signal, sys, threading
sys.path.insert(0, sys.argv[1])
import native
path, daemon = sys.argv[2:]
fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
mqd = native.mq_open('q', os.O_RDWR | os.O_NONBLOCK)

def settle():
    def threads():
        return [[line for line in open(f'/proc/{daemon}/task/{t}/status')
                 if line.startswith('State') or 'ctxt_switches' in line]
                for t in os.listdir(f'/proc/{daemon}/task')]
    while (before := threads()) != threads() or any('(sleeping)' not in t[0] for t in before):
        pass

def waiter(f):
    got = []
    t = threading.Thread(target=lambda: got.append(f()))
    t.start()
    stat = f'/proc/self/task/{t.native_id}/wchan'
    while True:
        try:
            # Some kernels show the caller of poll_schedule_timeout().
            if re.search('poll|select', open(stat).read()):
                break
        except (FileNotFoundError, ProcessLookupError):
            break

    def result():
        t.join(20)
        assert not t.is_alive(), 'never woken'
        return got[0]
    return result
$(cat)" "$TESTS" "$MQ/q" "$DAEMON"
}

@test "poll of an empty, a partly filled and a full queue" {
	polling <<-'END'
		def ready():
		    p = select.poll()
		    p.register(fd, select.POLLIN | select.POLLOUT)
		    return dict(p.poll(0)).get(fd, 0)
		assert ready() == select.POLLOUT
		native.mq_send(mqd, b"one")
		assert ready() == select.POLLIN | select.POLLOUT
		native.mq_send(mqd, b"two")
		assert ready() == select.POLLIN
		assert os.read(fd, 1) == b"o"
		assert os.read(fd, 100) == b"ne"
		assert os.read(fd, 1) == b"t"
		# The rest of the message can be read.
		assert ready() == select.POLLIN | select.POLLOUT
		assert os.read(fd, 100) == b"wo"
		assert ready() == select.POLLOUT
	END
}

@test "readable means that a read doesn't wait, also at end of file" {
	polling <<-'END'
		def ready(fd):
		    p = select.poll()
		    p.register(fd, select.POLLIN)
		    return p.poll(0) == [(fd, select.POLLIN)]

		def is_ready_and_reads(fd, *want):
		    for text in want:
		        assert ready(fd)
		        assert os.read(fd, 64) == text
		    return True

		def open_view(view, flags=0):
		    return os.open(path.replace("/mq/", f"/mq{view}/"), flags)

		drain = open_view(":drain")
		is_ready_and_reads(drain, b"", b"")
		native.mq_send(mqd, b"one")
		is_ready_and_reads(drain, b"one", b"")

		default = open_view("")
		assert not ready(default)
		native.mq_send(mqd, b"one")
		native.mq_send(mqd, b"two")
		is_ready_and_reads(default, b"one", b"two", b"")
		assert not ready(default)
		native.mq_send(mqd, b"three")
		is_ready_and_reads(default, b"three")
		# Without blocking a read at the end is EAGAIN, so poll(2) says "not ready".
		os.set_blocking(default, False)
		try:
		    sys.exit(os.read(default, 64))
		except BlockingIOError:
		    assert not ready(default)

		for waiting in open_view(":follow"), open_view(":lines", os.O_NONBLOCK):
		    assert not ready(waiting)
		    native.mq_send(mqd, b"one\n")
		    assert ready(waiting)
		    os.read(waiting, 64)
		    assert not ready(waiting)
	END
}

@test "select, poll and epoll report messages of native programs and of the mount" {
	polling <<-'END'
		writer = os.open(path, os.O_WRONLY)
		reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
		sends = (lambda: native.mq_send(mqd, b"x"), lambda: os.write(writer, b"x"))
		receives = (lambda: native.mq_receive(mqd), lambda: os.read(reader, 9))

		def by_select(mask):
		    r, w, _ = select.select([fd] * (mask == select.POLLIN), [fd] * (mask != select.POLLIN), [], 20)
		    return bool(r or w)

		def by_poll(mask):
		    p = select.poll()
		    p.register(fd, mask)
		    return p.poll(20000) == [(fd, mask)]

		def by_epoll(mask, flags=0):
		    e = select.epoll()
		    e.register(fd, mask | flags)
		    return e.poll(20) == [(fd, mask)]

		def by_edge(mask):
		    return by_epoll(mask, select.EPOLLET)

		for wait in by_select, by_poll, by_epoll, by_edge:
		    for send, receive in zip(sends, receives):
		        result = waiter(lambda: wait(select.POLLIN))
		        send()
		        assert result(), (wait, send)
		        send()
		        result = waiter(lambda: wait(select.POLLOUT))
		        receive()
		        assert result(), (wait, receive)
		        receive()
	END
}

@test "edge triggered epoll: one report for each arrival" {
	polling <<-'END'
		e = select.epoll()
		e.register(fd, select.EPOLLIN | select.EPOLLET)
		# Room is reported too, though nobody has asked for it.
		settle()
		assert e.poll(0) == []
		settle()
		for _ in range(2):
		    native.mq_send(mqd, b"x")
		    assert e.poll(20) == [(fd, select.EPOLLIN)]
		    settle()
		    assert e.poll(0) == []
	END
}

@test "asyncio and selectors read a queue as it fills" {
	polling <<-'END'
		async def main():
		    loop, got, done = asyncio.get_running_loop(), [], asyncio.Event()

		    def on_readable():
		        try:
		            got.append(os.read(fd, 64))
		        except BlockingIOError:
		            return
		        if len(got) == 1000:
		            done.set()

		    loop.add_reader(fd, on_readable)
		    sender = threading.Thread(target=lambda: [os.write(w, b"%d" % i) for i in range(1000)])
		    w = os.open(path, os.O_WRONLY)
		    sender.start()
		    await asyncio.wait_for(done.wait(), 30)
		    loop.remove_reader(fd)
		    assert got == [b"%d" % i for i in range(1000)]

		asyncio.run(main())
		s = selectors.DefaultSelector()
		s.register(fd, selectors.EVENT_READ)
		assert s.select(0) == []
		native.mq_send(mqd, b"x")
		assert len(s.select(20)) == 1
	END
}

@test "a poller that is interrupted or closed leaks nothing" {
	polling <<-'END'
		for i in range(50):
		    pid = os.fork()
		    if pid == 0:
		        p = select.poll()
		        p.register(os.open(path, os.O_RDONLY), select.POLLIN)
		        p.poll()
		        os._exit(1)
		    while "poll" not in open(f"/proc/{pid}/wchan").read():
		        pass
		    os.kill(pid, signal.SIGKILL)
		    os.waitpid(pid, 0)
	END
	before=$(awk '{ print $14 + $15 }' "/proc/$DAEMON/stat")
	echo x >"$MQ/q"
	timeout 1 python3 -c 'import select, sys
e = select.epoll()
f = open(sys.argv[1])
e.register(f, select.EPOLLIN | select.EPOLLET)
e.poll()
e.poll()' "$MQ/q" || [ $? -eq 124 ]
	# In ticks of 10 ms. A busy loop would have used a hundred.
	[ $(($(awk '{ print $14 + $15 }' "/proc/$DAEMON/stat") - before)) -lt 20 ]
	cat "$MQ/q"
}

@test "an object is always ready" {
	echo x >"$SHM/a"
	python3 -c 'import select, sys
with open(sys.argv[1], "r+b") as f:
    assert select.select([f], [f], [], 20) == ([f], [f], [])' "$SHM/a"
	rm "$SHM/a"
}
