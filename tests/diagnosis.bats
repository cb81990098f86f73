# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# If ipcfs cannot mount, or a feature is missing, one line names the reason and a
# command, and the command fixes the problem.

load mount.bash

# An ordinary user needs a /dev/fuse for all users, the right to search the folders of
# the daemon, and a mount point of their own.
setup() {
	ipcfs_prepare
	mkdir "$WORK/dev" "$WORK/dev/shm" "$WORK/dev/mqueue"
	touch "$WORK/dev/null"
	mknod -m 666 "$WORK/dev/fuse" c 10 229
	mount --bind /dev/null "$WORK/dev/null"
	mount --bind /dev/shm "$WORK/dev/shm"
	mount --rbind "$WORK/dev" /dev
	let_all_in
	chown 65534:65534 "$MNT"
	cp "$IPCFS" "$WORK/daemon"
	IPCFS=$WORK/daemon
}

finish() {
	umount -l /dev
	umount "$WORK/dev/null" "$WORK/dev/shm"
	ipcfs_ended 0
}

# says STATUS WHO LINE ARG...: runs ipcfs. WHO is root or as_user. LINE must be its only
# output.
says() {
	local want=$1 who=$2 line=$3

	shift 3
	[ "$who" != root ] || who=
	run $who timeout 60 "$IPCFS" "$@" 3>&-
	echo "$status: $output"
	[ "$status" -eq "$want" ]
	[ "$output" = "ipcfs: $line" ]
}

# fails_by FAULT LINE [OPTION...]: strace(1) makes a system call fail. The start must
# fail, and LINE must be the last line.
fails_by() {
	local fault=$1 line=$2

	shift 2
	# LeakSanitizer doesn't work under strace.
	run env "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" timeout 50 strace -f -o /dev/null \
		-e "inject=$fault" "$@" "$IPCFS" -f "$MNT" 3>&-
	echo "$status: $output"
	[ "$status" -eq 1 ]
	[ "${lines[-1]}" = "ipcfs: $line" ]
	not is_mounted
}

# mended: runs the command that the message names, without its sudo.
mended() {
	local command=${output##*; try: }

	eval "${command//sudo /}"
}

mounts() {
	"$@" "$IPCFS" "$MNT" 3>&- >"$LOG" 2>&1
	is_mounted
	umount "$MNT"
	# These tests ignore warnings of features that are missing.
	: >"$LOG"
}

@test "no mount point" {
	rmdir "$MNT"
	for who in root as_user; do
		says 2 $who "$MNT: no such directory; try: mkdir -p '$MNT'" "$MNT"
	done
	mended
	mounts
	finish
}

@test "not a directory, or out of reach" {
	: >"$WORK/file"
	says 2 root "$WORK/file: Not a directory; try: mkdir -p ~/ipc && ipcfs ~/ipc" "$WORK/file"
	mkdir -m 700 "$WORK/closed" "$WORK/closed/in"
	says 2 as_user "$WORK/closed/in: Permission denied; try: mkdir -p ~/ipc && ipcfs ~/ipc" "$WORK/closed/in"
	finish
}

@test "files hidden by the mount: no warning, as with mount(8)" {
	: >"$MNT/file"
	run "$IPCFS" "$MNT" 3>&-
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	umount "$MNT"
	[ -e "$MNT/file" ]
	finish
}

@test "another mount hidden by the mount: a warning" {
	mount -t tmpfs tmpfs "$MNT"
	: >"$MNT/file"
	says 0 root "$MNT: hides the tmpfs that is mounted there; to see it again, try: umount '$MNT'" "$MNT"
	is_mounted
	umount "$MNT"
	[ -e "$MNT/file" ]
	umount "$MNT"
	finish
}

@test "an ipcfs is mounted there already" {
	# A mount for its owner alone: other users can't find out that it is alive.
	"$IPCFS" "$MNT" 3>&-
	says 2 root "$MNT: fuse.ipcfs is mounted there already; try: umount '$MNT'" "$MNT"
	says 2 as_user "$MNT: fuse.ipcfs is mounted there already; try: sudo umount '$MNT'" "$MNT"
	[ -d "$SHM" ]
	mended
	not is_mounted
	mounts
	finish
}

@test "an ipcfs hidden by another mount is no obstacle" {
	mkdir "$WORK/above" "$WORK/above/mnt"
	"$IPCFS" "$WORK/above/mnt" 3>&-
	mount -t tmpfs tmpfs "$WORK/above"
	mkdir "$WORK/above/mnt"
	MNT=$WORK/above/mnt mounts
	umount "$WORK/above"
	umount "$WORK/above/mnt"
	finish
}

@test "a dead mount that the user can't replace" {
	for type in ipcfs other; do
		"$IPCFS" -f -o allow_other,subtype=$type "$MNT" 3>&- &
		daemon=$!
		eventually test -d "$SHM"
		kill -9 $daemon
		not wait $daemon
		says 2 as_user "$MNT: a dead fuse.$type is mounted there; try: sudo umount -l '$MNT'" "$MNT"
		[ $type = ipcfs ] ||
			says 2 root "$MNT: a dead fuse.$type is mounted there; try: umount -l '$MNT'" "$MNT"
		mended
		mounts
	done
	finish
}

@test "no /dev/fuse" {
	mv /dev/fuse /dev/away
	says 1 root "/dev/fuse: not there: No such file or directory; try: modprobe fuse, or for a container: docker run --device /dev/fuse --cap-add SYS_ADMIN ..." "$MNT"
	says 1 as_user "/dev/fuse: not there: No such file or directory; try: sudo modprobe fuse, or for a container: docker run --device /dev/fuse --cap-add SYS_ADMIN ..." "$MNT"
	finish
}

@test "a /dev/fuse without access for the user" {
	chmod 600 /dev/fuse
	says 1 as_user "/dev/fuse: can't be opened: Permission denied; try: sudo chmod 666 /dev/fuse" "$MNT"
	mended
	mounts as_user
	finish
}

@test "mounting is not allowed, as in a container" {
	for id in 0 65534; do
		run setpriv --reuid $id --regid $id --clear-groups --bounding-set -sys_admin "$IPCFS" "$MNT"
		echo "$output"
		[ "$status" -eq 1 ]
		[ "$output" = "ipcfs: $MNT: nobody may mount in this container or service; try: docker run --cap-add SYS_ADMIN --device /dev/fuse ..." ]
	done
	finish
}

@test "no fusermount3 for an ordinary user" {
	program=$(command -v fusermount3)
	mount --bind /dev/null "$program"
	says 1 as_user "$MNT: an ordinary user mounts through fusermount3, which isn't installed; try: sudo apt install fuse3" "$MNT"
	mounts
	umount "$program"
	mounts as_user
	finish
}

@test "a directory that isn't the ordinary user's" {
	mkdir "$WORK/roots"
	mkdir -m 1777 "$WORK/sticky"
	for dir in roots sticky; do
		says 1 as_user "$WORK/$dir: an ordinary user can mount only on their own directories; try: mkdir -p ~/ipc && ipcfs ~/ipc" "$WORK/$dir"
	done
	mounts as_user
	finish
}

@test "allow_other without user_allow_other" {
	grep -v '^user_allow_other' /etc/fuse.conf >"$WORK/conf" || true
	mount --bind "$WORK/conf" /etc/fuse.conf
	says 1 as_user "$MNT: allow_other needs root, or user_allow_other in /etc/fuse.conf; try: echo user_allow_other | sudo tee -a /etc/fuse.conf" -o allow_other "$MNT"
	mended
	as_user "$IPCFS" -o allow_other "$MNT" 3>&- 2>/dev/null
	ls "$MNT"
	umount "$MNT" /etc/fuse.conf
	finish
}

# starts_saying PART... -- COMMAND ARG...: runs a command that mounts. Each PART must be
# in one line of the output, and there must be no other line.
starts_saying() {
	local parts=()

	while [ "$1" != -- ]; do
		parts+=("$1")
		shift
	done
	shift
	"$@" "$IPCFS" "$MNT" 3>&- >"$LOG" 2>&1
	umount "$MNT"
	cat "$LOG"
	[ "$(wc -l <"$LOG")" -eq ${#parts[@]} ]
	for part in "${parts[@]}"; do
		logged "$part"
	done
	[ ! -s "$LOG" ]
}

mapped='objects can'"'"'t be mapped (MAP_SHARED) and are slower: passthrough needs root and Linux 6.9'

@test "a line for each feature that doesn't work" {
	listed='mq/ lists only queues opened there; run ipcfs as root, or try: sudo mkdir -p /dev/mqueue && sudo mount -t mqueue mqueue /dev/mqueue'
	starts_saying -- env
	starts_saying "$mapped" "$listed" -- as_user
	mount -t mqueue mqueue /dev/mqueue
	starts_saying "$mapped" -- as_user
	# The daemon runs in the background, and ends a moment after its mount.
	eventually umount /dev/mqueue
	finish
}

@test "a low RLIMIT_MSGQUEUE: the hard limit counts for root, otherwise the soft limit" {
	mount -t mqueue mqueue /dev/mqueue
	few='all queues of a user may take 1000 bytes, but 819200 is usual; try: ulimit -q 819200'
	starts_saying -- prlimit --msgqueue=1000:819200
	starts_saying "$few" -- prlimit --msgqueue=1000:1000 setpriv --bounding-set -sys_resource
	starts_saying "$mapped" "$few" -- as_user prlimit --msgqueue=1000:819200
	eventually umount /dev/mqueue
	finish
}

@test "a kernel without message queues" {
	# A seccomp(2) filter makes mq_open(2) fail with ENOSYS.
	cat >"$WORK/without" <<-'END'
		import ctypes, errno, os, struct, sys
		number = {"x86_64": 240, "aarch64": 180}[os.uname().machine]
		code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | errno.ENOSYS), (6, 0, 0, 0x7fff0000)]
		text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
		filter = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(text)))
		PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
		assert ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter) == 0
		os.execvp(sys.argv[1], sys.argv[1:])
	END
	starts_saying "mq/ doesn't work: this kernel has no message queues (CONFIG_POSIX_MQUEUE)" -- python3 "$WORK/without"
	finish
}

@test "the kernel refuses what the start needs" {
	denied='Operation not permitted'
	fails_by openat:error=EPERM "/dev/fuse: can't be opened: $denied; try: docker run --device /dev/fuse ..." -P /dev/fuse
	fails_by fsopen:error=ENODEV "$MNT: fuse can't be mounted: No such device"
	fails_by move_mount:error=EPERM "$MNT: fuse can't be mounted: $denied"
	fails_by capset:error=EPERM "privileges can't be given up: $denied"
	fails_by read:error=EIO "the kernel's first request can't be served: Input/output error" -P /dev/fuse
	fails_by epoll_create1:error=EPERM "requests can't be served: $denied"
	fails_by epoll_create1:error=EMFILE "requests can't be served: Too many open files; try: ulimit -n 1024"
	finish
}

@test "a kernel whose FUSE is too old" {
	# strace(1) replaces the beginning of the kernel's first request, FUSE_INIT: the
	# header's length, opcode and number, and four zeros; then the version, 7.31, the
	# read-ahead, and no flags.
	local request=68000000.1a000000.0200000000000000.0000000000000000
	request+=.00000000.00000000.00000000.00000000.07000000.1f000000.00000200.00000000
	fails_by "read:poke_exit=@arg2=${request//./}:when=1" \
		"the kernel's first request can't be served: Protocol error" -P /dev/fuse
	[ "${lines[-2]}" = "ipcfs: the kernel's FUSE is too old: Linux 5.11 or later is needed" ]
	finish
}

@test "no /dev/shm, or one that isn't a directory" {
	umount /dev/shm "$WORK/dev/shm"
	rmdir /dev/shm
	local command='mkdir -p /dev/shm && SUDOmount -t tmpfs -o mode=1777 tmpfs /dev/shm'
	says 1 as_user "/dev/shm: No such file or directory; try: sudo ${command/SUDO/sudo }" "$MNT"
	says 1 root "/dev/shm: No such file or directory; try: ${command/SUDO/}" "$MNT"
	mended
	: >/dev/shm/object
	"$IPCFS" "$MNT" 3>&-
	[ -e "$SHM/object" ]
	umount "$MNT"
	# The daemon runs in the background, and ends a moment after its mount.
	eventually umount /dev/shm
	rmdir /dev/shm
	: >/dev/shm
	says 1 root "/dev/shm: Not a directory" "$MNT"
	rm /dev/shm
	mkdir /dev/shm
	# finish unmounts it.
	mount -t tmpfs tmpfs "$WORK/dev/shm"
	finish
}
