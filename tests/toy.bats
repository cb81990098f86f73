# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A kind needs only one file, here toy_kind.c, and a line in the list of
# fs/kinds/root.c.

load mount.bash

setup() {
	IPCFS=$PROGRAMS/ipcfs_toy ipcfs_mount -o allow_other
	let_all_in
	# The toy makes its constants at the first lookup, and keeps them open.
	stat "$MNT/toy/e" >/dev/null
	# shellcheck disable=SC2034 # for ipcfs_end
	DAEMON_FDS=$(fds "$DAEMON")
}

teardown() {
	ipcfs_end
}

@test "the toy kind's directory is listed, its files are read" {
	[ "$(ls "$MNT")" = $'mq\nsem\nshm\ntoy' ]
	[ "$(ls "$MNT/toy")" = $'e\npi' ]
	[ "$(as_user cat "$MNT/toy/e" "$MNT/toy/pi")" = $'value 2.718\nvalue 3.142' ]
	[ "$(tail -c 3 "$MNT/toy/pi")" = 42 ]
	[ "$(stat -c '%F %a %s' "$MNT/toy/pi")" = "regular file 444 12" ]
	[ "$(stat -c '%F %a' "$MNT/toy")" = "directory 755" ]
	[ "$(stat -c %i "$MNT/toy/pi")" = "$(stat -c %i "$MNT/toy/pi")" ]
	df "$MNT/toy" >/dev/null
}

@test "the toy kind is described like all kinds" {
	[ "$(ls "$MNT/toy:info")" = $'e\npi' ]
	[ "$(cat "$MNT/toy:info/pi")" = "name pi
value 3.142
uid 0
gid 0
mode 0444
used no" ]
	run ls "$MNT/toy:lines"
	[[ $output == *"Invalid argument" ]]
	logged "view option 'lines': there is no such option"
	[[ $("$PROGRAMS/ipcfs_toy" -h) == *"constants as MOUNTPOINT/toy/NAME"* ]]
}

# outcome WORDS: prints the error of Python's os.WORDS.
outcome() {
	python3 -c "
import mmap, os
try:
    os.$1
except OSError as e:
    print(e.strerror)"
}

@test "operations without a slot are refused" {
	local pi="'$MNT/toy/pi'" new="'$MNT/toy/new'"

	[ "$(outcome "open($pi, os.O_WRONLY)")" = 'Permission denied' ]
	[ "$(outcome "open($new, os.O_CREAT | os.O_RDWR)")" = 'Operation not permitted' ]
	[ "$(outcome "open('$MNT/toy', os.O_TMPFILE | os.O_RDWR)")" = 'Operation not supported' ]
	for call in "unlink($pi)" "rename($pi, $new)" "mkdir($new)" \
		"symlink('x', $new)" "mknod($new, 0o100600)" "chmod($pi, 0o600)" "chown($pi, 1, 1)" \
		"utime($pi)" "truncate($pi, 0)" "chmod('$MNT/toy', 0o700)"; do
		echo "$call: $(outcome "$call")"
		[ "$(outcome "$call")" = 'Operation not permitted' ]
	done
	[ "$(outcome "setxattr($pi, 'user.a', b'')")" = 'Operation not supported' ]
	[ "$(outcome "getxattr($pi, 'user.a')")" = 'No data available' ]
	[ "$(outcome "listdir($pi)")" = 'Not a directory' ]
	[ "$(outcome "stat($new)")" = 'No such file or directory' ]
	[ "$(outcome "lseek(os.open($pi, os.O_RDONLY), 0, os.SEEK_HOLE)")" = 'Invalid argument' ]
	[ "$(outcome "path and mmap.mmap(os.open($pi, os.O_RDONLY), 6, mmap.MAP_SHARED, mmap.PROT_READ)")" = \
		'No such device' ]
	run flock -s "$MNT/toy/pi" true
	[[ $output == *"No locks available" ]]
	not lsattr "$MNT/toy/pi"
	[ "$(cat "$MNT/toy/pi")" = 'value 3.142' ]
}
