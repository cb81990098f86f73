# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A request has the rights of the thread that makes it: its user, groups and
# capabilities. It has no other rights.

load mount.bash

A=4001 B=4002 GROUP=5000

setup() {
	ipcfs_mount -o allow_other
	let_all_in
}

teardown() {
	ipcfs_end
}

as_a() {
	setpriv --reuid $A --regid $A --clear-groups "$@"
}

# with CAPABILITY COMMAND ARG...: runs the command as user A with one capability.
with() {
	as_a --inh-caps "+$1" --ambient-caps "+$1" "${@:2}"
}

# make: makes objects of user B, and one of root.
make() {
	rm -f secret other root moved fresh
	umask 077
	echo secret >secret
	echo root >root
	umask 022
	echo text >other
	chown $B:$B secret other
}

# everything DIR COMMAND...: tries each operation there, run by the command, and prints
# the results.
everything() (
	cd "$1" || exit
	shift
	for op in 'cat secret' 'cat root' 'dd if=/dev/null of=secret status=none' 'truncate -s 3 root' \
		'chmod 640 other' 'chown 4001 other' 'chgrp 5000 root' 'touch -d @1 other' \
		'setfattr -n user.a -v x secret' 'setfattr -n trusted.a -v x other' \
		'mv other moved' 'rm -f secret' 'test -r root' 'test -w root' \
		'dd if=other of=fresh status=none'; do
		make
		# shellcheck disable=SC2086 # words
		"$@" $op 2>/dev/null && echo "$op: done" || echo "$op: refused"
		stat -c '%n %U:%G %a %s' ./*
	done
	rm -f ./*
)

# the_same COMMAND...: compares "everything" natively and through the mount.
the_same() {
	everything /dev/shm "$@" >"$WORK/natively"
	everything "$SHM" "$@" >"$WORK/mounted"
	diff "$WORK/natively" "$WORK/mounted"
}

# and LINE: expects the line in the result of the_same.
and() {
	grep -qx "$1" "$WORK/natively"
}

@test "uid 0 can do exactly what its capabilities allow" {
	the_same setpriv --bounding-set=-all
	and 'cat secret: refused'
	the_same setpriv --bounding-set=-dac_override,-dac_read_search
	and 'chmod 640 other: done'
	the_same setpriv --bounding-set=-chown
	and 'chown 4001 other: refused'
	the_same env
	and 'cat secret: done'
}

@test "another user can do what its capabilities allow" {
	the_same as_a
	and 'cat secret: refused'
	the_same with dac_override
	and 'cat secret: done'
	the_same with dac_read_search
	and 'cat secret: done'
	the_same with fowner
	and 'chmod 640 other: done'
	the_same with chown
	and 'chown 4001 other: done'
}

@test "capabilities of another user namespace don't count" {
	the_same unshare -Ur
	and 'cat secret: refused'
	the_same as_a unshare -Ur
	and 'cat root: refused'
	the_same as_a unshare -U --keep-caps
	and 'cat secret: refused'
}

@test "capabilities for queues: reading, creating beyond the limits, removing" {
	native create secret 1 10 600
	native send secret x
	run setpriv --bounding-set=-all cat "$MQ:drain/secret"
	[ "$output" = x ]
	chown $B "$MQ/secret"
	native send secret y
	for command in "setpriv --bounding-set=-all" as_a "as_a unshare -Ur"; do
		run $command cat "$MQ:drain/secret"
		[[ $output == *"Permission denied" ]]
	done
	run as_a rm -f "$MQ/secret"
	[ "$status" -ne 0 ]
	[ "$(with dac_override cat "$MQ:drain/secret")" = y ]
	with fowner rm -f "$MQ/secret"
	read -r max </proc/sys/fs/mqueue/msg_max
	run setpriv --bounding-set=-all sh -c ": >'$MQ:msgsize=1,maxmsg=$((max + 1))/q'"
	[[ $output == *"Invalid argument" ]]
	[ ! -e "$NATIVE/q" ]
	logged msg_max
}

@test "stat of an unreadable queue shows no size and leaves its times alone" {
	native create secret 4 50 600
	native send secret 12345678901234567
	native send secret 1234567890123456789012345
	[ "$(stat -c %s "$MQ/secret" "$MQ:lines/secret" | xargs)" = "42 44" ]
	before=$(stat -c '%x %y %z' "$NATIVE/secret")
	[ "$(as_a stat -c %s "$MQ/secret" "$MQ:lines/secret" "$MQ:prefix/secret" | xargs)" = "0 0 0" ]
	[ "$(as_a stat -c %b "$MQ/secret")" = 0 ]
	run as_a getfattr --only-values -n user.mq.bytes "$MQ/secret"
	[[ $output == *"Permission denied" ]]
	run as_a cat "$MQ:info/secret"
	[[ $output == *"Permission denied" ]]
	# st_blksize doesn't show the longest message either.
	[ "$(as_a stat -c %o "$MQ:info/secret")" = "$(stat -c %o "$NATIVE/secret")" ]
	[ "$(stat -c '%x %y %z' "$NATIVE/secret")" = "$before" ]
	# A writer may know the longest message.
	chmod 622 "$MQ/secret"
	[ "$(as_a stat -c '%s %o' "$MQ/secret")" = "0 128" ]
	chmod 640 "$MQ/secret"
	[ "$(stat -c %s "$MQ/secret")" = 42 ]
	rm "$MQ/secret"
}

@test "a thread with another process's credentials is refused" {
	echo secret >"$SHM/g"
	chown 0:$GROUP "$SHM/g"
	chmod 060 "$SHM/g"
	# A worker of io_uring keeps the groups that its process had when it started.
	run "$PROGRAMS/uring" $A $GROUP /dev/shm/g
	[ "$output" = EACCES ]
	run "$PROGRAMS/uring" $A $GROUP "$SHM/g"
	echo "$output"
	[[ $output == EACCES || $output == EPERM ]]
	# overlayfs makes requests as the user who mounted it.
	chmod 644 "$SHM/g"
	mkdir "$WORK/over"
	mount -t overlay overlay -o "lowerdir=$SHM:$WORK" "$WORK/over"
	[ "$(cat "$WORK/over/g")" = secret ]
	run as_a cat "$WORK/over/g"
	[[ $output == *"Operation not permitted" ]]
	umount "$WORK/over"
	rmdir "$WORK/over"
	rm "$SHM/g"
}

@test "a caller from outside the daemon's PID namespace is refused" {
	ipcfs_end
	ipcfs_prepare
	let_all_in
	# The daemon has a /proc of its own, and its mount is visible here.
	mount --bind "$WORK" "$WORK"
	mount --make-shared "$WORK"
	NATIVE=$WORK/mqueue
	mount -t mqueue mqueue "$NATIVE"
	# shellcheck disable=SC2016 # it is the other shell's
	unshare --pid --fork --kill-child --mount --propagation unchanged \
		sh -c 'mount -t proc proc /proc && exec "$@"' - \
		"$IPCFS" -f -o allow_other "$MNT" >>"$LOG" 2>&1 3>&- &
	outer=$!
	eventually is_mounted
	echo text >/dev/shm/a
	chmod 666 /dev/shm/a
	for command in as_a env; do
		run $command cat "$SHM/a"
		[[ $output == *"Operation not permitted" ]]
		run $command sh -c ": >'$MQ/q'"
		[[ $output == *"Operation not permitted" ]]
	done
	[ ! -e "$NATIVE/q" ]
	umount "$MNT"
	wait $outer
	rm /dev/shm/a
	umount "$NATIVE" "$WORK" "$NATIVE"
	rm -r "$WORK"
	ipcfs_mount
}

@test "a daemon whose /proc is that of another PID namespace says so and ends" {
	ipcfs_end
	ipcfs_prepare
	run unshare --pid --fork "$IPCFS" -f "$MNT"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"/proc is not that of this PID namespace"*"mount -t proc proc /proc" ]]
	not is_mounted
	ipcfs_ended 0
	ipcfs_mount
}

@test "a newline in a name adds no line to info" {
	name=$'a\nuid 4001\\'
	native create "$name" 1 10
	[ "$(grep -c '^uid ' "$MQ:info/$name")" = 1 ]
	[ "$(head -n1 "$MQ:info/$name")" = 'name a\012uid 4001\134' ]
	rm "$MQ/$name"
}
