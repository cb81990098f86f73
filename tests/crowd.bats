# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Two thousand waiting processes: a thousand read one queue, the others use a
# hundred queues.

load mount.bash

setup() {
	CROWDS=()
	# MALLOC_PERTURB_ writes to reserved memory, which then counts as used.
	unset MALLOC_PERTURB_
	ipcfs_mount
	# Small queues, because RLIMIT_MSGQUEUE counts all of them.
	view="$MNT/mq:maxmsg=1,msgsize=8"
	: >"$view/one"
	for i in {1..50}; do
		: >"$view/empty$i"
		echo first >"$view/full$i"
	done
}

teardown() {
	# Processes that a failed test has left.
	kill -9 -- "${CROWDS[@]/#/-}" 2>/dev/null || true
	rm -f "$MQ"/*
	ipcfs_end
}

# start OUTPUT MODE COUNT FILE...: starts a crowd in the background, and returns when
# all its processes wait; see crowd.c.
start() {
	"$PROGRAMS/crowd" "${@:2}" >"$WORK/$1" 3>&- &
	CROWDS+=($!)
	eventually grep -qx waiting "$WORK/$1"
}

start_crowds() {
	start readers read 1000 "$MQ/one"
	start others read 10 "$MQ"/empty*
	start writers write 10 "$MQ"/full*
	eventually is_idle
}

await_crowds() {
	wait "${CROWDS[@]}"
	CROWDS=()
}

# moved OUTPUT COUNT: whether COUNT processes of a crowd have read or written.
moved() {
	[ "$(grep -cx moved "$WORK/$1")" -eq "$2" ]
}

# all_end HOW: waits for all crowds. Each process must have ended as HOW says.
all_end() {
	await_crowds
	[ "$(sort "$WORK"/{readers,others,writers} | uniq -c | sed 's/^ *//')" = \
		"$(printf '2000 %s\n3 waiting' "$1")" ]
}

# rss: prints the daemon's memory in KiB.
rss() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON/status"
}

# ticks: prints the daemon's processor time, in ticks of the system's clock.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"
}

@test "two thousand waiters use little memory and delay no other request" {
	before=$(rss)
	start_crowds
	[ "$(find "/proc/$DAEMON/task" -mindepth 1 -maxdepth 1 | wc -l)" -lt 32 ]
	# The sanitizers use memory of their own.
	grep -q 'lib[at]san' "/proc/$DAEMON/maps" ||
		[ $(($(rss) - before)) -lt $((2000 * 4)) ]
	# The daemon must be idle for as long as this takes.
	before=$(ticks)
	sleep 1
	[ $(($(ticks) - before)) -le 1 ]
	[ "$(timeout 60 ls "$MQ" | wc -l)" -eq 101 ]
	[ "$(timeout 60 stat -c %s "$MQ/one" "$MQ"/empty* | sort -u)" = 0 ]
	[ "$(timeout 60 stat -c %s "$MQ"/full* | sort -u)" = 6 ]
	timeout 60 sh -c ": >'$view/other'; echo x >'$SHM/other'; chmod 600 '$MQ/full1'"
	rm "$SHM/other"
	kill -INT -- "${CROWDS[@]/#/-}"
	all_end Interrupt
	# The waiting writers have sent nothing.
	[ "$(stat -c %s "$MQ"/full* | sort -u)" = 6 ]
}

@test "a message, or room for one, wakes one waiter, with two attempts" {
	start_crowds
	strace -f -e trace=mq_timedreceive,mq_timedsend -o "$WORK/strace" -p "$DAEMON" \
		2>"$WORK/strace.log" 3>&- &
	strace=$!
	eventually grep -q attached "$WORK/strace.log"
	for i in {1..10}; do
		native send one x
		[ "$(native receive "full$i")" = first ]
		eventually moved readers "$i"
		eventually moved writers "$i"
	done
	eventually is_idle
	moved readers 10
	moved writers 10
	kill -INT $strace
	wait $strace || true
	# One attempt succeeds, and the next waiter's attempt fails.
	[ "$(grep -c 'mq_timedreceive(' "$WORK/strace")" -le 20 ]
	[ "$(grep -c 'mq_timedsend(' "$WORK/strace")" -le 20 ]
	kill -INT -- "${CROWDS[@]/#/-}"
	await_crowds
}

# wakeup: prints how long one more reader waits for a message.
wakeup() {
	SHM='' WORK='' python3 "$TESTS/wakeup.py" other "$MQ/other"
}

@test "time to wake up beside two thousand waiters and a busy queue" {
	local hot

	: >"$view/other"
	: >"$MNT/mq:maxmsg=10,msgsize=8/hot"
	echo "# a reader wakes alone: $(wakeup)" >&3
	start_crowds
	yes 3>&- | dd of="$MQ:lines/hot" bs=1M conv=notrunc status=none 3>&- &
	hot=$!
	cat "$MQ:lines,follow/hot" >/dev/null 3>&- &
	echo "# beside them: $(wakeup)" >&3
	kill $hot $!
	wait $hot $! || true
	kill -INT -- "${CROWDS[@]/#/-}"
	await_crowds
}

@test "a lazy unmount ends two thousand waits" {
	start_crowds
	umount -l "$MNT"
	all_end "Transport endpoint is not connected"
	wait "$DAEMON"
	ipcfs_start
}
