# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The daemon mounts on the directory that it has checked. It unmounts its own mount and
# no other, wherever the paths lead by then.

load mount.bash

setup() {
	ipcfs_prepare
	OTHER=$WORK/other
	mkdir "$OTHER"
	mount -t tmpfs tmpfs "$OTHER"
}

finish() {
	umount "$OTHER"
	ipcfs_ended "$@"
}

mounts() {
	awk '$9 == "fuse.ipcfs" || $8 == "fuse.ipcfs" { print $5 }' /proc/self/mountinfo
}

# stop [STATUS]: ends the daemon. None of its mounts may stay.
stop() {
	local status=0

	kill "$DAEMON"
	wait "$DAEMON" || status=$?
	[ "$status" -eq "${1-0}" ]
}

@test "a link in place of the mount point: nothing else is unmounted" {
	let_all_in
	mkdir "$WORK/home" "$WORK/home/ipc"
	chown -R 4001:4001 "$WORK/home"
	mkfifo -m 666 "$WORK/go"
	# In this mount namespace the directory isn't a mount point.
	# shellcheck disable=SC2016 # it is the other shell's
	setpriv --reuid 4001 --regid 4001 --clear-groups unshare -U -r -m sh -ec '
		: >"$1/home/ready"
		read -r _ <"$1/go"
		mv "$1/home/ipc" "$1/home/aside"
		ln -s "$1/other" "$1/home/ipc"' - "$WORK" 3>&- &
	user=$!
	eventually test -e "$WORK/home/ready"
	MNT=$WORK/home/ipc ipcfs_start
	echo >"$WORK/go"
	wait $user
	[ "$(mounts)" = "$WORK/home/aside" ]
	stop
	[ -z "$(mounts)" ]
	finish 0
}

@test "a parent of the mount point is renamed and replaced" {
	mkdir -p "$WORK/a/ipc" "$WORK/b/ipc"
	mount -t tmpfs tmpfs "$WORK/b/ipc"
	MNT=$WORK/a/ipc ipcfs_start
	mv "$WORK/a" "$WORK/with \\040
space"
	ln -s b "$WORK/a"
	stop
	[ -z "$(mounts)" ]
	umount "$WORK/b/ipc"
	finish 0
}

@test "the mount is moved, and bound elsewhere" {
	mkdir "$WORK/moved" "$WORK/bound"
	ipcfs_start
	mount --bind "$MNT" "$WORK/bound"
	mount --move "$MNT" "$WORK/moved"
	mount -t tmpfs tmpfs "$MNT"
	stop
	# ipcfs leaves the mounts that others have made.
	[ "$(mounts)" = "$WORK/bound" ]
	umount "$WORK/bound" "$MNT"
	finish 0
}

@test "a mount on top of the daemon's: the message says what stays" {
	ipcfs_start
	mount --bind "$OTHER" "$MNT"
	stop 1
	[ "$(mounts)" = "$MNT" ]
	logged "$MNT: the mount stays: another mount hides it, which goes first; try: umount -l '$MNT'"
	umount "$MNT"
	ipcfs_start
	[ "$(mounts)" = "$MNT" ]
	stop
	finish 0
}

@test "a new mount after somebody's unmount stays" {
	ipcfs_start
	exec 5>"$SHM/a"
	umount -l "$MNT"
	old=$DAEMON
	ipcfs_start
	kill "$old"
	wait "$old"
	[ "$(mounts)" = "$MNT" ]
	exec 5>&-
	rm "$SHM/a"
	stop
	finish 0
}

@test "the daemon keeps neither its mount nor the mount below busy" {
	mkdir "$OTHER/ipc"
	MNT=$OTHER/ipc ipcfs_start
	kill -STOP "$DAEMON"
	umount --no-canonicalize "$OTHER/ipc" "$OTHER"
	# Two new mounts get the device numbers that the two old ones had, in the order of
	# mounting.
	mount -t tmpfs tmpfs "$OTHER"
	mkdir "$OTHER/ipc"
	mount -t tmpfs tmpfs "$OTHER/ipc"
	kill -CONT "$DAEMON"
	wait "$DAEMON"
	umount "$OTHER/ipc"
	finish 0
}

@test "a link that replaces the directory after the check isn't followed" {
	mkdir "$WORK/aside"
	# strace stops the daemon when it looks for /dev/fuse, which is after the check.
	# LeakSanitizer doesn't work under strace.
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 strace -f -o "$WORK/trace" \
		-P /dev/fuse -e trace=openat -e inject=openat:signal=SIGSTOP:when=1 \
		"$IPCFS" -f "$MNT" >"$LOG" 2>&1 3>&- &
	tracer=$!
	eventually grep -qs 'stopped by SIGSTOP' "$WORK/trace"
	traced=$(pgrep -P $tracer)
	mv "$MNT" "$WORK/aside/mnt"
	ln -s "$OTHER" "$MNT"
	kill -CONT "$traced"
	eventually mounted_somewhere
	[ "$(mounts)" = "$WORK/aside/mnt" ]
	kill "$traced"
	wait $tracer
	[ -z "$(mounts)" ]
	finish 0
}

mounted_somewhere() {
	[ -n "$(mounts)" ]
}

@test "options of the mount" {
	for pair in suid,dev:rw,relatime noexec:rw,nosuid,nodev,noexec noexec,exec:rw,nosuid,nodev,relatime \
		noatime,nodiratime:rw,nosuid,nodev,noatime,nodiratime ro:ro,nosuid,nodev -r:ro,nosuid,nodev \
		nosymfollow:rw,nosuid,nodev,relatime,nosymfollow; do
		option=${pair%%:*}
		[ "$option" = -r ] || option=-o$option
		ipcfs_start "$option"
		awk -v mnt="$MNT" '$2 == mnt' /proc/self/mounts
		[[ "$(awk -v mnt="$MNT" '$2 == mnt { print $4 }' /proc/self/mounts)," == "${pair#*:}",* ]]
		umount "$MNT"
		wait "$DAEMON"
	done
	ipcfs_start -o fsname=name,fsname=other,default_permissions,sync
	grep "^other $MNT fuse.ipcfs rw,sync,.*,default_permissions " /proc/self/mounts
	umount "$MNT"
	wait "$DAEMON"
	# libfuse admits just root among the other users, so the kernel must admit all.
	ipcfs_start -o allow_root
	let_all_in
	grep "^ipcfs $MNT .*,allow_other " /proc/self/mounts
	run as_user ls "$SHM"
	[[ $output == *"Permission denied" ]]
	umount "$MNT"
	wait "$DAEMON"
	for option in auto_unmount context=a rootcontext=; do
		run "$IPCFS" -o $option "$MNT"
		[ "$status" -eq 1 ]
		[[ $output == *"option '$option': the kernel refuses it: Invalid argument; try: ipcfs without it"* ]]
		not is_mounted
	done
	for option in blkdev blksize=512 max_read=4096; do
		run "$IPCFS" -o $option "$MNT"
		[ "$status" -eq 2 ]
		[[ $output == "ipcfs: option '$option': ipcfs "* ]]
		not is_mounted
	done
	finish 0
}
