# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The mount of another machine through sshfs. Each connection has its own sshd,
# without a network.

load mount.bash

setup() {
	ipcfs_mount
	mkdir -p /run/sshd "$WORK/remote"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/host"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/key"
	cat >"$WORK/sshd" <<-END
		HostKey $WORK/host
		AuthorizedKeysFile $WORK/key.pub
		StrictModes no
		PermitRootLogin yes
		UsePAM no
		Subsystem sftp internal-sftp
	END
	ssh=(-o "ProxyCommand=/usr/sbin/sshd -i -f $WORK/sshd" -o IdentityFile="$WORK/key"
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
}

teardown() {
	umount "$WORK/remote"
	ipcfs_end
}

@test "sshfs on top of the mount: list, read, write and send" {
	sshfs "${ssh[@]}" -o direct_io,dir_cache=no "root@there:$MNT" "$WORK/remote" 3>&-
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
	# sshfs reads ahead, and would take more messages than it returns.
	# shellcheck disable=SC2029 # the local value is meant
	[ "$(ssh "${ssh[@]}" root@there "cat '$MQ/q'")" = $'two\none' ]
	rm "$WORK/remote/mq/q"
	[ -z "$(ls "$NATIVE")" ]
}
