# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The units, run by systemd itself; see boot.

load mount.bash
load system.bash

setup_file() {
	local target

	unshare --mount --cgroup mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
		skip 'there are no control groups'
	own_system /usr /etc
	mount -t tmpfs tmpfs /mnt
	mkdir /mnt/auto
	echo 'ipcfs /mnt/auto ipcfs allow_other,x-systemd.automount 0 0' >/etc/fstab
	meson install -C "$BUILD" --no-rebuild --quiet

	mkdir -p /run/units/service.d
	for target in basic sysinit shutdown local-fs local-fs-pre remote-fs umount; do
		printf '[Unit]\nDefaultDependencies=no\n' >"/run/units/$target.target"
	done
	# There is no journal.
	printf '[Service]\nStandardError=append:/run/log\n' >/run/units/service.d/log.conf
	: >/run/log
	cp "$(pkg-config --variable=systemdsystemunitdir systemd)"/ipcfs*.service /run/units
	"$TESTS/boot" /run/units >/dev/null 2>&1 3>&- &
	echo $! >/run/pid
	disown
	eventually is_up
}

teardown() {
	cat /run/log
}

teardown_file() {
	kill -KILL "$(</run/pid)"
}

# inside COMMAND ARG...: runs the command in the container.
inside() {
	nsenter --target "$(pgrep -P "$(</run/pid)")" --mount --pid --cgroup "$@"
}

is_up() {
	[[ $(inside systemctl is-system-running 2>/dev/null) == running ]]
}

# is UNIT PROPERTY VALUE
is() {
	[ "$(inside systemctl show --value -p "$2" "$1")" = "$3" ]
}

@test "systemd-analyze verify accepts the units" {
	run systemd-analyze verify --man=no ipcfs.service ipcfs@1.service
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "ipcfs.service mounts for all users, and no system call is refused" {
	inside systemctl start ipcfs
	inside grep '^ipcfs /mnt/ipc fuse.ipcfs .*,allow_other ' /proc/self/mounts
	[ "$(inside ps -C ipcfs -o ni= | xargs)" = -5 ]
	export MNT=/mnt/ipc NATIVE=/dev/mqueue IPCFS_OPTIONS=-oallow_other ROUNDS=1000
	inside "$BUILD/tests/model"
	inside "$BUILD/tests/rights"
}

@test "the service may peek at queues" {
	inside systemctl start ipcfs
	inside sh -c 'echo one >/mnt/ipc/mq/peeked'
	[ "$(inside cat /mnt/ipc/mq:peek/peeked)" = one ]
	[ "$(inside cat /mnt/ipc/mq:drain/peeked)" = one ]
	inside rm /mnt/ipc/mq/peeked
}

@test "a killed service is restarted" {
	inside systemctl start ipcfs
	inside touch /mnt/ipc/shm/a
	inside systemctl kill -s KILL ipcfs
	is_back() { is ipcfs NRestarts 1 && is ipcfs ActiveState active; }
	eventually is_back
	inside rm /mnt/ipc/shm/a
	[ "$(inside grep -c ' /mnt/ipc ' /proc/self/mounts)" -eq 1 ]
}

@test "a stopped service is unmounted, and has succeeded" {
	inside systemctl start ipcfs
	inside systemctl stop ipcfs
	not inside grep ' /mnt/ipc ' /proc/self/mounts
	is ipcfs Result success
	is ipcfs ActiveState inactive
}

@test "ipcfs@PID.service shows the objects of that process" {
	# shellcheck disable=SC2016 # it is the other shell's
	inside unshare --ipc --mount sh -c 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm
		echo theirs >/dev/shm/a
		mount -t proc proc /proc
		echo 256 >/proc/sys/fs/mqueue/msgsize_default
		chmod 666 /dev/shm/a
		echo $$ >/run/target
		exec sleep infinity' 3>&- &
	eventually test -s /run/target
	target=$(</run/target)
	inside systemctl start "ipcfs@$target"
	[ "$(inside cat "/run/ipcfs/$target/shm/a")" = theirs ]
	inside touch "/run/ipcfs/$target/mq/q"
	# An ordinary user of the host can't reach the objects, natively or through the
	# mount.
	for path in "/proc/$target/root/dev/shm/a" "/run/ipcfs/$target/shm/a"; do
		run inside setpriv --reuid 4001 --regid 4001 --clear-groups cat "$path"
		[[ $output == *"Permission denied" ]]
	done
	[ "$(inside nsenter --target "$target" --ipc "$TESTS/native.py" unlink q; echo $?)" = 0 ]
	inside systemctl stop "ipcfs@$target"
	not inside grep "/run/ipcfs/$target" /proc/self/mounts
	# The service isn't restarted: another process may have the number by then.
	inside systemctl start "ipcfs@$target"
	inside systemctl kill -s KILL "ipcfs@$target"
	has_failed() { is "ipcfs@$target" ActiveState failed; }
	eventually has_failed
	is "ipcfs@$target" NRestarts 0
	inside umount "/run/ipcfs/$target"
	inside kill "$target"
	not wait $!
}

@test "a line of /etc/fstab with x-systemd.automount" {
	not inside grep fuse.ipcfs /proc/self/mounts
	inside ls /mnt/auto/shm
	inside grep '^ipcfs /mnt/auto fuse.ipcfs ' /proc/self/mounts
	is mnt-auto.mount ActiveState active
	inside systemctl stop mnt-auto.mount
	is mnt-auto.mount Result success
	eventually not pgrep -x mount.ipcfs
}
