# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Every message arrives, once and in order, whoever is interrupted or killed.

load mount.bash

setup() {
	ipcfs_mount
	native create q 10 8
}

teardown() {
	rm -f "$MQ/q"
	ipcfs_end
}

# exact READERS KILLS: moves ROUNDS messages; see exact.c.
exact() {
	timeout 150 "$PROGRAMS/exact" "$MQ/q" /q "${ROUNDS:-1000000}" "$@" 3>&-
	run native receive q
	[ "$output" = EAGAIN ]
}

@test "many readers and writers who are interrupted move a million messages once" {
	exact 4 0
}

@test "many readers and writers who are killed move a million messages once" {
	exact 4 4000
}

@test "one reader after the other receives a million messages in order" {
	exact 1 4000
}
