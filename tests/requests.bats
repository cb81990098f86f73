# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# How many requests an operation costs, as -d prints them: a request is a round trip
# from the kernel to the daemon. The names of files are used for the first time: a name
# of a queue or semaphore that the kernel remembers costs one LOOKUP more, as each lookup
# gives another node.

load mount.bash

setup() {
	ipcfs_prepare
}

teardown() {
	rm -f /dev/shm/* "$NATIVE"/*
	umount "$MNT"
	wait "$DAEMON"
	: >"$LOG"
	ipcfs_ended 0
}

# requests COMMAND ARG...: prints the requests that a command causes, but FORGET: the
# kernel sends it when it needs memory, and nobody waits for it.
requests() {
	local before

	before=$(wc -l <"$LOG")
	"$@" >/dev/null
	eventually is_idle
	tail -n +$((before + 1)) "$LOG" | sed -n 's/.* opcode: \([A-Z_]*\) .*/\1/p' |
		grep -v FORGET | paste -sd ' '
}

# opens_and_stats FILE: opens the file for reading, and calls fstat(2).
opens_and_stats() {
	requests python3 -c 'import os, sys; os.fstat(os.open(sys.argv[1], os.O_RDONLY))' "$1"
}

@test "a stat by path is two requests" {
	ipcfs_start -d
	touch /dev/shm/a "$NATIVE/q"
	[ "$(requests stat -c %s "$SHM/a")" = 'LOOKUP GETATTR' ]
	[ "$(requests stat -c %s "$MQ/q")" = 'LOOKUP GETATTR' ]
}

@test "open is two requests, fstat one, close two" {
	ipcfs_start -d
	touch /dev/shm/a
	[ "$(opens_and_stats "$SHM/a")" = 'LOOKUP OPEN GETATTR FLUSH RELEASE' ]
}

@test "close is one request where no lock and no unfinished line can be" {
	local file requests

	ipcfs_start -d
	touch /dev/shm/a "$NATIVE/q"
	: >"$MNT/sem/made"
	mv /dev/shm/sem.made /dev/shm/sem.s
	# The kernel keeps the names of directories.
	stat "$MNT"/{shm:info,mq:lines,mq:info,sem,sem:info} >/dev/null
	eventually is_idle
	for file in shm:info/a mq:lines/q mq:info/q sem/s sem:info/s; do
		requests=$(opens_and_stats "$MNT/$file")
		echo "$file: $requests"
		[ "$requests" = 'LOOKUP OPEN GETATTR RELEASE' ]
	done
	umount "$MNT"
	wait "$DAEMON"
	ipcfs_start -d -o ro
	[ "$(opens_and_stats "$SHM/a")" = 'LOOKUP OPEN GETATTR RELEASE' ]
}

@test "ls -l is at most four requests a file" {
	local few many

	ipcfs_start -d
	touch /dev/shm/{1..10}
	few=$(requests ls -l "$SHM" | wc -w)
	touch /dev/shm/{11..30}
	many=$(requests ls -l "$SHM" | wc -w)
	((many - few > 20 && many - few <= 20 * 4))
}
