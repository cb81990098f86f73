# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The daemon when an allocation of memory fails.

load mount.bash

@test "each allocation fails once on each path that leads to it" {
	ipcfs_prepare
	let_all_in
	# The program is the daemon, with allocations that can fail.
	export WORK FAULTS=$WORK/faults IPCFS=$PROGRAMS/ipcfs_allocations
	python3 "$TESTS/allocations.py" >&3
	is_empty /dev/shm
	is_empty "$NATIVE"
	umount "$NATIVE"
}
