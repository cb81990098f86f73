# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Every message arrives once and in order, even if processes are interrupted or
# killed.

load mount.bash

setup() {
	ipcfs_mount
}

teardown() {
	rm -f "$MQ"/*
	ipcfs_end
}

# move READERS KILLS: see load/main.c. The load runs a second for each 1000 ROUNDS.
move() {
	timeout 250 "$PROGRAMS/load" $((${ROUNDS:-20000} / 1000)) "$@" 3>&-
}

@test "many interrupted readers and writers: each message arrives once" {
	move 5 0
}

@test "many killed readers and writers: each message arrives once" {
	move 5 1
}

@test "successive readers receive the messages in order" {
	move 1 1
}
