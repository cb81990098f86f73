# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The files that "meson install" installs, and how the system uses them.

load mount.bash
load system.bash

setup_file() {
	own_system /usr /etc
	mount -t tmpfs tmpfs /mnt
	meson install -C "$BUILD" --no-rebuild --quiet
}

setup() {
	ipcfs_prepare
	MNT=/mnt/ipc SHM=/mnt/ipc/shm
	mkdir -p "$MNT"
}

@test "install and uninstall put files where the system looks for them, and remove them" {
	DESTDIR=$WORK/stage meson install -C "$BUILD" --no-rebuild --quiet
	find "$WORK/stage" ! -type d -printf '%m %P %l\n' | sed 's/ $//' | sort -k2 >"$WORK/installed"
	units=$(pkg-config --variable=systemdsystemunitdir systemd)
	sort -k2 >"$WORK/expected" <<-END
		644 ${units#/}/ipcfs.service
		644 ${units#/}/ipcfs@.service
		755 usr/bin/ipcfs
		777 usr/sbin/mount.fuse.ipcfs ../bin/ipcfs
		777 usr/sbin/mount.ipcfs ../bin/ipcfs
		644 usr/share/bash-completion/completions/ipcfs
		644 usr/share/fish/vendor_completions.d/ipcfs.fish
		644 usr/share/man/man7/ipcfs-objects.7
		644 usr/share/man/man7/ipcfs-queues.7
		644 usr/share/man/man8/ipcfs.8
		777 usr/share/man/man8/mount.fuse.ipcfs.8 ipcfs.8
		777 usr/share/man/man8/mount.ipcfs.8 ipcfs.8
		644 usr/share/zsh/vendor-completions/_ipcfs
	END
	diff "$WORK/installed" "$WORK/expected"
	ninja -C "$BUILD" uninstall
	[ -z "$(find "$WORK/stage" ! -type d)" ]
	ipcfs_ended 0
}

# mounted_as OPTIONS [as UID]: the mount is shown with these options, and sensible
# names. Only the user who mounted it may ask for its size.
mounted_as() {
	grep -E "^ipcfs $MNT fuse.ipcfs $1[, ]" /proc/self/mounts
	[ "$(findmnt -no SOURCE,FSTYPE "$MNT" | tr -s ' ')" = 'ipcfs fuse.ipcfs' ]
	[ "$("${@:2}" df --output=source,target "$SHM" | tail -n1 | tr -s ' ')" = "ipcfs $MNT" ]
}

@test "mount -t ipcfs and mount -t fuse.ipcfs" {
	for type in ipcfs fuse.ipcfs; do
		mount -t $type ipcfs "$MNT" 3>&-
		mounted_as rw,nosuid,nodev
		exec 5>"$SHM/a"
		lsof -w "$MNT" | grep -E "^bash .* $SHM/a$"
		exec 5>&-
		rm "$SHM/a"
		umount "$MNT"
		mount -t $type -o ro,noexec,relatime,nofail,_netdev,x-systemd.automount ipcfs "$MNT" 3>&-
		mounted_as ro,nosuid,nodev,noexec
		umount "$MNT"
		mount -fnvs -t $type ipcfs "$MNT"
		not is_mounted
		run mount -t $type -o nonsense ipcfs "$MNT"
		[ "$status" -eq 2 ]
		[[ $output == *nonsense* ]]
	done
	ipcfs_ended 0
}

@test "lines of /etc/fstab" {
	echo "ipcfs $MNT ipcfs noauto,ro 0 0" >/etc/fstab
	mount -a
	not is_mounted
	mount "$MNT" 3>&-
	mounted_as ro
	umount "$MNT"
	echo "ipcfs $MNT fuse.ipcfs defaults,allow_other,nofail,_netdev,x-systemd.automount 0 0" >/etc/fstab
	mount -a 3>&-
	mounted_as rw
	as 65534 ls "$SHM"
	# The daemon runs once.
	mount -a
	umount "$MNT"
	not is_mounted
	ipcfs_ended 0
}

# as UID COMMAND ARG...: runs the command as an ordinary user.
as() {
	setpriv --reuid "$1" --regid "$1" --clear-groups env -C / "${@:2}"
}

@test "a line of fstab with the option user: an ordinary user mounts and unmounts it" {
	# On most systems everybody may use /dev/fuse.
	mknod -m 666 "$WORK/fuse" c 10 229
	mount --bind "$WORK/fuse" /dev/fuse
	chown 65534:65534 "$MNT"
	for type in ipcfs fuse.ipcfs; do
		echo "ipcfs $MNT $type noauto,user,nofail 0 0" >/etc/fstab
		run as 1 mount "$MNT"
		[ "$status" -eq 1 ]
		[[ $output == *"can mount only on their own directories"* ]]
		as 65534 mount "$MNT" 3>&- 2>"$LOG"
		logged 'passthrough needs root'
		[ -d /dev/mqueue ] || logged 'mq/ lists only queues opened there'
		mounted_as rw,nosuid,nodev,noexec as 65534
		as 65534 sh -c "echo text >'$SHM/a'"
		[ "$(stat -c %u /dev/shm/a)" = 65534 ]
		as 65534 rm "$SHM/a"
		run as 1 umount "$MNT"
		[ "$status" -ne 0 ]
		is_mounted
		as 65534 umount "$MNT"
		not is_mounted
	done
	eventually umount /dev/fuse
	ipcfs_ended 0
}
