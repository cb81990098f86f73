# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The mount of another machine through sshfs: an sshd on the loopback.

load mount.bash

setup() {
	ipcfs_mount
	mkdir -p /run/sshd "$WORK/remote"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/host"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/key"
	port=$((20000 + RANDOM % 10000))
	/usr/sbin/sshd -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 \
		-o HostKey="$WORK/host" -o AuthorizedKeysFile="$WORK/key.pub" \
		-o StrictModes=no -o PidFile=none -o PermitRootLogin=yes -o UsePAM=no \
		-o 'Subsystem=sftp internal-sftp' 2>"$WORK/sshd" 3>&- &
	sshd=$!
	eventually grep -q "Server listening" "$WORK/sshd"
	ssh=(-o "Port=$port" -o IdentityFile="$WORK/key" -o StrictHostKeyChecking=no
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
}

teardown() {
	umount "$WORK/remote"
	kill "$sshd"
	wait "$sshd" || true
	ipcfs_end
}

@test "through sshfs objects and queues are seen, written and read; messages are sent" {
	sshfs "${ssh[@]}" -o direct_io,dir_cache=no "root@127.0.0.1:$MNT" "$WORK/remote" 3>&-
	echo here >"$SHM/object"
	[ "$(ls "$WORK/remote/shm")" = object ]
	[ "$(cat "$WORK/remote/shm/object")" = here ]
	echo there >"$WORK/remote/shm/object"
	[ "$(cat /dev/shm/object)" = there ]
	rm "$WORK/remote/shm/object"
	[ ! -e /dev/shm/object ]

	# sftp seeks before it writes, but not for an append.
	: >"$MQ/q"
	echo one >>"$WORK/remote/mq/q"
	echo two >>"$WORK/remote/mq:priority=3/q"
	grep -qx 'curmsgs 2' "$WORK/remote/mq:info/q"
	# sshfs reads ahead, which would take more than it gives on.
	# shellcheck disable=SC2029 # it is to be known there
	[ "$(ssh "${ssh[@]}" root@127.0.0.1 "cat '$MQ/q'")" = $'two\none' ]
	rm "$WORK/remote/mq/q"
	[ -z "$(ls "$NATIVE")" ]
}
