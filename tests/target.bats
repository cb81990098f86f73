# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# -o target=PID: the objects of another process's namespaces.

load mount.bash

setup() {
	AS=() # the command that starts a target
	ipcfs_prepare
	# Objects of the host, which must not be visible.
	echo host >/dev/shm/host
	native create host 1 10
	native send host message
}

# The objects of the host are unchanged.
teardown() {
	[ "$(cat /dev/shm/host)" = host ]
	[ "$(native receive host)" = message ]
	rm /dev/shm/host
	native unlink host
	is_empty /dev/shm
	is_empty "$NATIVE"
	ipcfs_ended 0
}

AS_USER=(setpriv --reuid 65534 --regid 65534 --clear-groups)

# target [OPTION...]: starts a process, $TARGET, in IPC and mount namespaces of its
# own. The options are of unshare(1).
target() {
	"${AS[@]}" unshare --ipc --mount "$@" sh -ec '
		mount -t tmpfs tmpfs /dev/shm
		{ echo 256 >/proc/sys/fs/mqueue/msgsize_default; } 2>/dev/null || true
		echo inside >/dev/shm/theirs
		exec sleep infinity' 3>&- &
	TARGET=$!
	eventually test -e "/proc/$TARGET/root/dev/shm/theirs"
}

inside() {
	nsenter --target "$TARGET" --ipc --mount -- "$@"
}

end_target() {
	kill "$TARGET"
	not wait "$TARGET"
}

unmount() {
	umount "$MNT"
	wait "$DAEMON"
}

# refused TEXT PID: ipcfs must say TEXT, end with status 2, and mount nothing.
refused() {
	run timeout 60 "$IPCFS" -o "target=$2" "$MNT" 3>&-
	echo "$status: $output"
	[ "$status" -eq 2 ]
	[ "$output" = "ipcfs: option 'target=${2##*=}': $1" ]
	not is_mounted
}

@test "a process's objects are listed, read, written, created and removed" {
	target
	inside "$TESTS/native.py" create first 5 100
	inside sh -c 'echo 33 >/proc/sys/fs/mqueue/queues_max'
	ipcfs_start -o "target=$TARGET"
	[ "$(ls "$SHM")" = theirs ]
	[ "$(ls "$MQ")" = first ]
	[ "$(cat "$SHM/theirs")" = inside ]
	echo written >"$SHM/theirs"
	echo created >"$SHM/ours"
	[ "$(inside cat /dev/shm/theirs /dev/shm/ours)" = $'written\ncreated' ]
	mv "$SHM/ours" "$SHM/moved"
	[ "$(inside ls /dev/shm)" = $'moved\ntheirs' ]
	rm "$SHM/moved"
	[ "$(inside ls /dev/shm)" = theirs ]

	echo out >"$MQ/first"
	[ "$(inside "$TESTS/native.py" receive first)" = out ]
	inside "$TESTS/native.py" send first in
	[ "$(cat "$MQ/first")" = in ]
	cat "$MQ/first" >"$WORK/waited" 3>&- &
	local reader=$!
	eventually waits $reader
	inside "$TESTS/native.py" send first late
	wait $reader
	[ "$(cat "$WORK/waited")" = late ]
	: >"$MQ/second"
	inside "$TESTS/native.py" send second x
	[ "$(df --output=itotal,iused "$MQ" | tr -s ' ' | tail -n1)" = " 33 2" ]
	rm "$MQ/first" "$MQ/second"
	[ "$(inside "$TESTS/native.py" receive first)" = ENOENT ]
	unmount
	end_target
}

@test "objects stay when the process has ended" {
	target
	ipcfs_start -o "target=$TARGET"
	end_target
	[ "$(cat "$SHM/theirs")" = inside ]
	echo more >>"$SHM/theirs"
	echo new >"$SHM/new"
	python3 - "$SHM/new" <<-'END'
		import mmap, sys
		with open(sys.argv[1], "r+b") as f:
		    mmap.mmap(f.fileno(), 0)[0:3] = b"map"
	END
	[ "$(cat "$SHM"/*)" = $'map\ninside\nmore' ]
	echo job >"$MQ/q"
	[ "$(ls "$MQ")" = q ]
	[ "$(cat "$MQ/q")" = job ]
	rm "$MQ/q" "$SHM"/*
	unmount
}

@test "semaphores of a process can be used, and wake its waiters" {
	local posix=$TESTS/native.py

	native sem-create host 9
	target
	inside "$posix" sem-create first 0
	ipcfs_start -o "target=$TARGET"
	[ "$(ls "$MNT/sem")" = first ]
	inside "$posix" sem-wait first 3>&- &
	eventually grep -qx 'waiters 1' "$MNT/sem:info/first"
	echo +3 >"$MNT/sem/first"
	wait $!
	[ "$(inside "$posix" sem-value first)" = 2 ]
	echo 5 >"$MNT/sem/second"
	inside "$posix" sem-wait second
	[ "$(cat "$MNT/sem/second")" = 4 ]
	rm "$MNT/sem/"*
	[ "$(inside ls /dev/shm)" = theirs ]
	[ "$(native sem-value host)" = 9 ]
	native sem-unlink host
	unmount
	end_target
}

@test "target= in the background and through mount(8)" {
	target
	"$IPCFS" -o "target=$TARGET" "$MNT" 3>&-
	[ "$(ls "$SHM")" = theirs ]
	echo job >"$MQ/q"
	[ "$(inside "$TESTS/native.py" receive q)" = job ]
	umount "$MNT"
	# mount(8) finds programs in the system's folders only.
	mount -t tmpfs tmpfs /usr/local/sbin
	ln -s "$IPCFS" /usr/local/sbin/ipcfs
	mount -t fuse.ipcfs -o "nosuid,target=$TARGET" ipcfs "$MNT" 3>&-
	[ "$(ls "$SHM" "$MQ")" = "$MQ:"$'\nq\n\n'"$SHM:"$'\ntheirs' ]
	umount "$MNT" /usr/local/sbin
	end_target
}

@test "target= is a process with a user namespace of its own" {
	target --user --map-root-user
	inside "$TESTS/native.py" create q
	ipcfs_start -o "target=$TARGET"
	[ "$(cat "$SHM/theirs")" = inside ]
	[ "$(ls "$MQ")" = q ]
	echo written >"$SHM/new"
	[ "$(inside cat /dev/shm/new)" = written ]
	echo job >"$MQ/q"
	[ "$(inside "$TESTS/native.py" receive q)" = job ]
	unmount
	end_target
}

@test "a user without a mapping in its user namespace can't create" {
	AS=("${AS_USER[@]}")
	target --user --map-root-user
	ipcfs_start -o "target=$TARGET"
	echo more >>"$SHM/theirs"
	[ "$(cat "$SHM/theirs")" = $'inside\nmore' ]
	python3 - "$SHM/theirs" <<-'END'
		import mmap, sys
		with open(sys.argv[1], "r+b") as f:
		    mmap.mmap(f.fileno(), 0)[0:6] = b"mapped"
	END
	[ "$(cat "$SHM/theirs")" = $'mapped\nmore' ]
	for name in "$SHM/new" "$MQ/new"; do
		run touch "$name"
		[[ $output == *"Value too large for defined data type" ]]
	done
	unmount
	end_target
}

@test "target= that isn't a process is refused" {
	for pid in 0 -1 word 1x '' 2147483648 99999999999999999999; do
		refused "it takes a number from 1 to 2147483647" "$pid"
	done
	refused "it is given twice" "1,target=1"
	refused "there is no such process; try: ps -e" 2147483647
	# A zombie process, which has no namespaces.
	sh -c 'sh -c : & exec sleep infinity' 3>&- &
	local parent=$!
	has_zombie() {
		zombie=$(tr -d ' ' <"/proc/$parent/task/$parent/children")
		grep -q '^State:.*zombie' "/proc/$zombie/status"
	}
	eventually has_zombie
	refused "there is no such process; try: ps -e" "$zombie"
	kill $parent
	not wait $parent
}

@test "a user who can't enter the namespaces is refused" {
	target

	let_all_in
	cp "$IPCFS" "$WORK/daemon"
	run "${AS_USER[@]}" "$WORK/daemon" -o "target=$TARGET" "$MNT"
	echo "$output"
	[ "$status" -eq 2 ]
	[ "$output" = "ipcfs: option 'target=$TARGET': it needs root; try: sudo ipcfs ..." ]
	# The user may look at its own process, but not enter its namespaces.
	# shellcheck disable=SC2016 # it is the other shell's
	run "${AS_USER[@]}" sh -c 'exec "$1" -o "target=$$" "$2"' - "$WORK/daemon" "$MNT"
	[ "$status" -eq 2 ]
	[[ $output == *"it needs root; try: sudo ipcfs ..." ]]
	not is_mounted
	end_target
}

# in_root: starts a target whose root directory is $ROOT.
in_root() {
	export ROOT=$WORK/root
	python3 -c 'import os, signal
os.chroot(os.environ["ROOT"])
signal.pause()' 3>&- &
	TARGET=$!
	is_in_root() {
		[ "$(readlink "/proc/$TARGET/root")" = "$ROOT" ]
	}
	eventually is_in_root
}

@test "a link in place of /dev/shm leads nowhere outside its root" {
	mkdir -p "$WORK/tmpfs" "$WORK/root/dev" "$WORK/root/run/shm"
	mount -t tmpfs tmpfs "$WORK/tmpfs"
	mount -t tmpfs tmpfs "$WORK/root/run/shm"
	echo theirs >"$WORK/root/run/shm/a"
	in_root
	refused "it has no /dev/shm" "$TARGET"
	for link in "$WORK/tmpfs" "../../../../../../../..$WORK/tmpfs" \
		"/proc/1/root$WORK/tmpfs"; do
		ln -s "$link" "$ROOT/dev/shm"
		refused "it has no /dev/shm" "$TARGET"
		rm "$ROOT/dev/shm"
	done
	# Some systems have links within the root.
	for link in /run/shm ../../../../run/shm; do
		ln -s "$link" "$ROOT/dev/shm"
		ipcfs_start -o "target=$TARGET"
		[ "$(cat "$SHM/a")" = theirs ]
		unmount
		rm "$ROOT/dev/shm"
	done
	ln -s shm "$ROOT/dev/shm"
	refused "Too many levels of symbolic links" "$TARGET"
	rm "$ROOT/dev/shm"
	: >"$ROOT/dev/shm"
	refused "Not a directory" "$TARGET"
	rm "$ROOT/dev/shm"
	mkdir "$ROOT/dev/shm"
	mount -t ramfs ramfs "$ROOT/dev/shm"
	refused "its /dev/shm is not a tmpfs" "$TARGET"
	umount "$ROOT/dev/shm" "$ROOT/run/shm" "$WORK/tmpfs"
	end_target
}
