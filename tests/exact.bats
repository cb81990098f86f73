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

# exact PART READERS KILLS: moves a PART-th of ROUNDS messages, with no more kills
# than half as many; see exact.c.
exact() {
	local n=$((${ROUNDS:-1000000} / $1))

	timeout 250 "$PROGRAMS/exact" "$MQ/q" /q "$n" "$2" $(($3 < n / 2 ? $3 : n / 2)) 3>&-
	run native receive q
	[ "$output" = EAGAIN ]
}

@test "many readers and writers who are interrupted move each message once" {
	exact 4 4 0
}

@test "many readers and writers who are killed move each of a million messages once" {
	exact 1 4 4000
}

@test "one reader after the other receives the messages in order" {
	exact 4 1 4000
}
