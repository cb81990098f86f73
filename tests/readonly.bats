# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# -o ro: objects can be inspected, but not changed.

load mount.bash

setup() {
	ipcfs_mount -o ro,allow_other
	let_all_in
	native shm-create object content 666
	setfattr -n user.a -v here /dev/shm/object
	native shm-create other other 666
	native create queue 2 10 666
	native send queue message
	native sem-create semaphore 3 666
}

teardown() {
	native shm-unlink object
	native shm-unlink other
	native unlink queue
	native sem-unlink semaphore
	ipcfs_end
}

# state: prints everything that must not change.
state() {
	find /dev/shm "$NATIVE" -printf '%p %i %m %U %G %n %T@\n' | sort
	stat -c '%n %s %b %z' /dev/shm/*
	cat /dev/shm/object /dev/shm/other
	getfattr --only-values -n user.a /dev/shm/object
	grep -o '^QSIZE:[0-9]*' "$NATIVE/queue"
}

# inspects_only UID: tries all changes as a user to whom the modes allow them.
inspects_only() {
	state >"$WORK/before"
	timeout 250 python3 "$TESTS/readonly.py" "$1" "$MNT" "${IPCFS_OPTIONS-}"
	state >"$WORK/after"
	diff "$WORK/before" "$WORK/after"
}

@test "-o ro: root can't change anything" {
	inspects_only 0
}

@test "-o ro: a user can't change anything" {
	inspects_only 65534
}
