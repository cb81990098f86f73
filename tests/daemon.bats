# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The command line, and the start and the end of the daemon.

load mount.bash

setup() {
	ipcfs_prepare
}

# fails_with STATUS TEXT ARG...: ipcfs must end with the status and print TEXT on
# stderr.
fails_with() {
	local want=$1 text=$2

	shift 2
	run timeout 60 "$IPCFS" "$@"
	echo "$status: $output"
	[ "$status" -eq "$want" ]
	[[ $output == *"$text"* ]]
	not is_mounted
}

# waiters: runs a reader and a writer that wait. After the daemon's end both must have
# failed.
waiters() {
	native create empty 1 10
	native create full 1 10
	native send full x
	cat "$MQ/empty" >"$WORK/reader" 2>&1 3>&- &
	READER=$!
	dd of="$MQ/full" conv=notrunc bs=1 count=1 if=/dev/zero \
		>"$WORK/writer" 2>&1 3>&- &
	WRITER=$!
	eventually waits $READER $WRITER
}

waiters_failed() {
	not wait "$READER"
	not wait "$WRITER"
	cat "$WORK/reader" "$WORK/writer"
	grep -qE 'not connected|connection abort' "$WORK/reader"
	grep -qE 'not connected|connection abort' "$WORK/writer"
	[ "$(native receive full)" = x ]
	run native receive full
	[ "$output" = EAGAIN ]
	native unlink empty
	native unlink full
}

@test "-h prints the usage" {
	for option in -h --help; do
		run "$IPCFS" $option
		[ "$status" -eq 0 ]
		[[ $output == "usage: ipcfs [-f] [-d] [-o OPTION,...] [SOURCE] MOUNTPOINT"* ]]
		[[ $output == *"KIND:info,holders"* ]]
	done
	ipcfs_ended 0
}

@test "-V prints the versions and a line for each feature" {
	for option in -V --version; do
		run "$IPCFS" $option
		[ "$status" -eq 0 ]
		for want in '^ipcfs [0-9.]+$' '^libfuse 3\.[0-9.]+' '^POSIX shm: yes$' \
			'^message queues: yes$' '^listing queues: yes'; do
			grep -qE "$want" <<<"$output"
		done
	done
	ipcfs_ended 0
}

@test "wrong usage: the message names the wrong word, exit status 2" {
	local number='it takes a number from 1 to 9223372036854775807'
	local help=$'\n''ipcfs: try: ipcfs -h'

	fails_with 2 'ipcfs: no MOUNTPOINT given; try: ipcfs -h'
	fails_with 2 'ipcfs: no MOUNTPOINT given; try: ipcfs -h' ''
	fails_with 2 "ipcfs: 'three' is one word too many after SOURCE 'one' and MOUNTPOINT 'two'; try: ipcfs -h" \
		one two three
	fails_with 2 "unknown option(s): \`-x'$help" -x "$MNT"
	fails_with 2 "unknown option(s): \`-o nonsense'$help" -o ro,nonsense "$MNT"
	# Options that need a value.
	for option in max_user_handles target priority; do
		fails_with 2 "unknown option(s): \`-o $option'$help" -o "$option" "$MNT"
	done
	for option in max_user_handles=0 max_user_handles=x max_user_handles= max_user_waiting=5x; do
		fails_with 2 "ipcfs: option '$option': $number" -o "$option" "$MNT"
	done
	ipcfs_ended 0
}

@test "wrong usage of scripts/mount and scripts/setup: the message names the word, exit status 2" {
	local scripts=$TESTS/../scripts

	says() {
		local line=$1

		shift
		run "$@"
		echo "$status: $output"
		[ "$status" -eq 2 ]
		[[ $output == "$line"* ]]
	}
	says "mount: unknown option '-x'; usage: scripts/mount [MOUNTPOINT]" "$scripts/mount" -x
	says "mount: unexpected 'two'; usage: scripts/mount [MOUNTPOINT]" "$scripts/mount" one two
	says "setup: 'nonsense' is not understood; usage: scripts/setup [" "$scripts/setup" nonsense
	ipcfs_ended 0
}

@test "output that can't be written: a message, exit status 1" {
	for option in -h -V; do
		"$IPCFS" $option >/dev/full 2>"$LOG" && status=0 || status=$?
		[ $status -eq 1 ]
		logged "ipcfs: the output can't be written: No space left on device"
	done
	ipcfs_ended 0
}

@test "failures after parsing are reported on stderr, exit status 1" {
	mount --bind /dev/null /dev/fuse
	fails_with 1 'fuse' -f "$MNT"
	umount /dev/fuse
	ipcfs_ended 0
}

@test "in the background errors go to syslog" {
	# Runs in a /dev with a log of its own.
	mkdir "$WORK/dev" "$WORK/dev/shm"
	touch "$WORK/dev/null" "$WORK/dev/fuse"
	python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
if os.fork() == 0:
    os.close(1)
    open(sys.argv[2], "wb").write(s.recv(1000))' "$WORK/dev/log" "$WORK/syslog" 3>&-
	# shellcheck disable=SC2016 # it is the other shell's
	unshare --mount sh -c 'cd "$1"
		for name in null fuse shm; do
			mount --bind "/dev/$name" "dev/$name"
		done
		mount --rbind dev /dev
		# The daemon needs more descriptors.
		prlimit --nofile=9:9 "$IPCFS" "$MNT"' - "$WORK" 3>&- 4>&-
	in_syslog() { grep -q "ipcfs.*Too many open files" "$WORK/syslog"; }
	eventually in_syslog
	eventually not is_mounted
	rm -r "${WORK:?}/dev" "$WORK/syslog"
	ipcfs_ended 0
}

@test "in the background the mount is ready when the command returns" {
	"$IPCFS" ipcfs "$MNT" 3>&-
	is_mounted
	echo hello >"$SHM/a"
	[ "$(cat /dev/shm/a)" = hello ]
	rm "$SHM/a"
	grep -q "^ipcfs $MNT fuse.ipcfs " /proc/self/mounts
	umount "$MNT"
	ipcfs_ended 0
}

@test "-d says whether passthrough is on, and prints requests" {
	for option in passthrough nopassthrough; do
		[ $option = nopassthrough ] && set -- -o nopassthrough
		ipcfs_start -d "$@"
		echo x >"$SHM/"$'a\nb'
		rm "$SHM/"$'a\nb'
		[ "$(getfattr --only-values -n user.ipcfs.passthrough "$MNT" 2>/dev/null)" = \
			"$([ $# = 0 ] && echo yes || echo no)" ]
		umount "$MNT"
		wait "$DAEMON"
		grep -q "passthrough is $([ $# = 0 ] && echo on || echo off)$" "$LOG"
		grep -A1 'opcode: UNLINK' "$LOG" |
			grep -q 'ipcfs: /shm, name a?b, by user 0, group 0$'
	done
	: >"$LOG"
	ipcfs_ended 0
}

@test "mount -t fuse.ipcfs, as from /etc/fstab" {
	# mount(8) searches only the system's folders for programs.
	mount -t tmpfs tmpfs /usr/local/sbin
	ln -s "$IPCFS" /usr/local/sbin/ipcfs
	mount -t fuse.ipcfs ipcfs "$MNT" \
		-o nosuid,nodev,noatime,allow_other 3>&-
	echo job >"$MQ/q"
	[ "$(cat "$MQ/q")" = job ]
	rm "$MQ/q"
	umount "$MNT" /usr/local/sbin
	ipcfs_ended 0
}

@test "options of mount(8) and fstab(5) are accepted; the last of ro and rw counts" {
	ipcfs_start -o defaults,auto,noauto,user,user=me,nouser,users,owner,group \
		-o nofail,_netdev,atime,relatime,diratime,comment=a -o x-systemd.automount,X-mount.mkdir=700
	umount "$MNT"
	wait "$DAEMON"
	for options in -r -orw,ro; do
		ipcfs_start $options
		run touch "$SHM/a"
		[[ $output == *"Read-only file system" ]]
		umount "$MNT"
		wait "$DAEMON"
	done
	native create q
	native send q message
	ipcfs_start -o ro,rw
	[ "$(cat "$MQ/q")" = message ]
	rm "$MQ/q"
	umount "$MNT"
	ended_well
}

@test "mount.ipcfs accepts what mount(8) passes to its helpers" {
	ln -s "$IPCFS" "$WORK/mount.ipcfs"
	"$WORK/mount.ipcfs" ipcfs "$MNT" -s -n -v -o rw,noexec -t fuse.ipcfs 3>&-
	grep " $MNT fuse.ipcfs rw,nosuid,nodev,noexec," /proc/self/mounts
	umount "$MNT"
	# mount(8) with -f does all but the mount.
	"$WORK/mount.ipcfs" ipcfs "$MNT" -f -o rw
	not is_mounted
	IPCFS=$WORK/mount.ipcfs fails_with 2 nonsense ipcfs "$MNT" -f -o nonsense
	# -N names the mount namespace of another process.
	mkfifo "$WORK/fifo"
	unshare --mount cat "$WORK/fifo" 3>&- &
	other=$!
	has_own_namespace() {
		[ "$(readlink "/proc/$other/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
	}
	eventually has_own_namespace
	"$WORK/mount.ipcfs" ipcfs "$MNT" -N "/proc/$other/ns/mnt" 3>&-
	not is_mounted
	grep " $MNT fuse.ipcfs " "/proc/$other/mounts"
	nsenter --mount="/proc/$other/ns/mnt" umount "$MNT"
	eventually not pgrep -x mount.ipcfs
	# The daemon unmounts in that namespace, too.
	"$WORK/mount.ipcfs" ipcfs "$MNT" -N "/proc/$other/ns/mnt" 3>&-
	pkill -x mount.ipcfs
	eventually not grep -q " $MNT fuse.ipcfs " "/proc/$other/mounts"
	: >"$WORK/fifo"
	wait $other
	IPCFS=$WORK/mount.ipcfs fails_with 2 "mount namespace" ipcfs "$MNT" -N "$LOG"
	ipcfs_ended 0
}

@test "the service manager is notified of readiness and of the end" {
	for socket in "$WORK/socket" "@$WORK/socket"; do
		python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\0"))
s.settimeout(20)
print(s.recv(100).decode(), s.recv(100).decode())' "$socket" >"$WORK/states" 3>&- &
		receiver=$!
		eventually grep -q " $socket$" /proc/net/unix
		NOTIFY_SOCKET=$socket ipcfs_start
		umount "$MNT"
		wait "$DAEMON"
		wait $receiver
		[ "$(cat "$WORK/states")" = "READY=1 STOPPING=1" ]
	done
	ended_well
}

@test "SIGTERM and SIGINT with waiters: the waiters get an error, exit status 0" {
	# With a file /etc/mtab libfuse runs mount(8) and umount(8).
	if [ -d /run/mount ]; then
		mount -t tmpfs tmpfs /run/mount
		: >/run/mount/utab
	fi
	for signal in TERM INT; do
		ipcfs_start
		waiters
		kill -$signal "$DAEMON"
		waiters_failed
		wait "$DAEMON"
		not is_mounted
	done
	[ ! -d /run/mount ] || umount /run/mount
	ended_well
}

@test "SIGTERM releases all locks, even if other processes have the object open" {
	ipcfs_start -o allow_other
	let_all_in
	: >"$SHM/a"
	chmod 666 "$SHM/a"
	setpriv --reuid 4001 --regid 4001 --clear-groups \
		timeout 250 python3 - "$SHM/a" >"$WORK/ready" 3>&- <<-'END' &
		import fcntl, os, signal, sys
		fd = os.open(sys.argv[1], os.O_RDWR)
		fcntl.flock(fd, fcntl.LOCK_EX)
		fcntl.lockf(fd, fcntl.LOCK_EX)
		print("ready", flush=True)
		signal.pause()
	END
	eventually grep -q ready "$WORK/ready"
	# An open file keeps the first daemon's open file description in the kernel.
	exec 5<"$SHM/a"
	kill "$DAEMON"
	wait "$DAEMON"
	kill $!
	wait $! || true
	python3 - <<-'END'
		import fcntl
		with open("/dev/shm/a", "r+") as f:
		    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
		    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
	END
	exec 5<&-
	rm /dev/shm/a
	ended_well
}

@test "SIGTERM ends the daemon when it has no free descriptor" {
	ipcfs_start
	eventually is_idle
	free=0
	while [ -e "/proc/$DAEMON/fd/$free" ]; do
		free=$((free + 1))
	done
	prlimit --pid "$DAEMON" --nofile="$free:$free"
	run ls "$SHM"
	[[ $output == *"Too many open files" ]]
	kill "$DAEMON"
	ended_well
}

@test "a lazy unmount with waiters: the waiters get an error, open files stay" {
	for unmount in "umount -l" "fusermount3 -uz"; do
		ipcfs_start
		waiters
		echo text >"$SHM/a"
		exec 5<"$SHM/a"
		$unmount "$MNT"
		waiters_failed
		[ "$(cat <&5)" = text ]
		exec 5<&-
		wait "$DAEMON"
		rm /dev/shm/a
	done
	ended_well
}

@test "a lazy unmount is noticed in a mount namespace with few mounts" {
	native create empty 1 10
	export IPCFS
	export -f eventually waits look is_idle
	unshare --mount --propagation private bash -es 3>&- <<-'END'
		# The kernel returns the mount table in pieces of a kilobyte.
		for path in $(cut -d' ' -f5 /proc/self/mountinfo | tac); do
			for kept in "$IPCFS" "$MNT" /dev/fuse /dev/shm /proc; do
				[[ $kept/ != "${path%/}"/* ]] || continue 2
			done
			# The mounts of the test's namespace can't be unmounted in a user namespace.
			umount -l "$path" || true
		done
		wc -c /proc/self/mountinfo
		"$IPCFS" "$MNT"
		DAEMON=$(pgrep -x ipcfs)
		timeout 50 cat "$MQ/empty" &
		has_reader() { waits "$(pgrep -P $!)"; }
		eventually has_reader
		umount -l "$MNT"
		status=0
		wait $! || status=$?
		[ $status -eq 1 ]
	END
	native unlink empty
	ipcfs_ended 0
}

@test "a forced unmount with waiters: the waiters get an error, no mount stays" {
	ipcfs_start
	waiters
	umount -f "$MNT" || true
	waiters_failed
	ended_well
}

@test "an unmount with waiters is EBUSY, and the waiters still wait" {
	ipcfs_start
	waiters
	run umount "$MNT"
	[[ $output == *"target is busy"* ]]
	eventually waits $READER $WRITER
	kill $READER $WRITER
	not wait $READER
	not wait $WRITER
	native unlink empty
	native unlink full
	umount "$MNT"
	ended_well
}

@test "a new start replaces the mount of a killed daemon" {
	ipcfs_start
	waiters
	echo kept >"$MQ/q"
	kill -9 "$DAEMON"
	not wait "$DAEMON"
	waiters_failed
	run ls "$MNT"
	[[ $output == *"not connected" ]]
	ipcfs_start
	[ "$(cat "$MQ/q")" = kept ]
	rm "$MQ/q"
	[ "$(grep -c " $MNT " /proc/self/mounts)" -eq 1 ]
	umount "$MNT"
	ended_well
}

@test "-o ro allows inspection only" {
	echo text >/dev/shm/a
	native create q
	native send q message
	ipcfs_start -o ro
	[ "$(cat "$SHM/a")" = text ]
	[ "$(stat -c %s "$MQ/q")" -eq 7 ]
	for command in "touch $SHM/new" "touch $MQ/new" "rm $SHM/a" "rm $MQ/q" \
		"truncate -s 0 $SHM/a" "truncate -s 0 $MQ/q" "chmod 600 $SHM/a" \
		"chown 1 $MQ/q" "cat $MQ/q" "dd of=$MQ/q" "dd of=$SHM/a"; do
		# shellcheck disable=SC2086 # words
		run $command </dev/null
		echo "$command: $output"
		[[ $output == *"Read-only file system" ]]
	done
	[ "$(native receive q)" = message ]
	native unlink q
	rm /dev/shm/a
	umount "$MNT"
	ended_well
}

@test "two mounts show the same objects" {
	ipcfs_start
	mkdir "$WORK/second"
	"$IPCFS" "$WORK/second" 3>&-
	echo one >"$MQ/q"
	[ "$(cat "$WORK/second/mq/q")" = one ]
	cat "$WORK/second/mq/q" >"$WORK/out" 3>&- &
	reader=$!
	echo two >"$MQ/q"
	wait $reader
	[ "$(cat "$WORK/out")" = two ]
	rm "$WORK/second/mq/q"
	umount "$WORK/second"
	umount "$MNT"
	ended_well
}

# capabilities NUMBER...: prints the capabilities among these that this shell has, as in
# /proc.
capabilities() {
	local n mask=0 ours

	ours=0x$(awk '/^CapPrm:/ { print $2 }' /proc/self/status)
	for n; do
		mask=$((mask | 1 << n))
	done
	printf '%016x\n' $((mask & ours))
}

@test "root's daemon keeps the capabilities that it needs, in all its threads" {
	ipcfs_start
	# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, SYS_PTRACE,
	# SYS_ADMIN, SYS_RESOURCE, LEASE, SETFCAP, LINUX_IMMUTABLE. Programs that the daemon
	# runs have none.
	local mask none=0000000000000000 task

	mask=$(capabilities 0 1 2 3 4 6 7 9 19 21 24 28 31)
	for task in "/proc/$DAEMON/task"/*; do
		[ "$(grep -E '^(Cap|NoNewPrivs)' "$task/status" | cut -f2 | xargs)" = \
			"$none $mask $mask $none $none 1" ]
	done
	umount "$MNT"
	ended_well
}

@test "the daemon keeps the nice value with which it was started" {
	for value in 0 5; do
		nice -n "$value" "$IPCFS" "$MNT" 3>&-
		[ "$(ps -L -o ni= -C ipcfs | sort -u | xargs)" = $(($(nice) + value)) ]
		umount "$MNT"
		eventually not pgrep -x ipcfs
	done
	ipcfs_ended 0
}

@test "an idle daemon has no descriptors but those that it needs" {
	exec 9</etc/passwd
	"$IPCFS" "$MNT"
	local pid

	pid=$(pgrep -x "$(basename "$IPCFS")")
	stat "$SHM" "$MQ" >/dev/null
	[ "$(readlink "/proc/$pid/fd"/* | sed "s,/proc/$pid,/proc/self," | LC_ALL=C sort)" = "/
/dev/fuse
/dev/null
/dev/null
/dev/null
/dev/shm
/proc/self/mountinfo
anon_inode:[eventfd]
anon_inode:[eventfd]
anon_inode:[eventpoll]" ]
	exec 9<&-
	umount "$MNT"
	eventually not kill -0 "$pid"
	ipcfs_ended 0
}

@test "started without stdin, stdout and stderr" {
	for background in true false; do
		if $background; then
			"$IPCFS" "$MNT" 3>&- <&- >&- 2>&-
		else
			"$IPCFS" -f "$MNT" 3>&- <&- >&- 2>&- &
			eventually is_served
		fi
		echo text >"$SHM/a"
		[ "$(cat "$SHM/a")" = text ]
		rm "$SHM/a"
		umount "$MNT"
	done
	wait
	ipcfs_ended 0
}

@test "an ordinary user mounts through fusermount3" {
	# On most systems everybody may use /dev/fuse.
	mknod -m 666 "$WORK/fuse" c 10 229
	mount --bind "$WORK/fuse" /dev/fuse
	if [ -d /dev/mqueue ]; then
		mount -t tmpfs tmpfs /dev/mqueue
	fi
	let_all_in
	chown 65534:65534 "$WORK" "$MNT"
	cp "$IPCFS" "$WORK/daemon"
	as_user "$WORK/daemon" -f "$MNT" >"$LOG" 2>&1 3>&- &
	DAEMON=$!
	eventually is_mounted

	as_user sh -c "echo text >'$SHM/a' && echo job >'$MQ/q' && chmod 600 '$MQ/q'"
	[ "$(stat -c '%u %g' /dev/shm/a "$NATIVE/q" | sort -u)" = "65534 65534" ]
	[ "$(as_user cat "$SHM/a" "$MQ/q")" = $'text\njob' ]
	[ "$(as_user getfattr -d --absolute-names "$MNT" | grep -c ^user.ipcfs.)" -eq 7 ]
	native create roots 1 10
	: >/dev/shm/roots && chmod 600 /dev/shm/roots
	for name in "$MQ/roots" "$SHM/roots"; do
		run as_user cat "$name"
		[[ $output == *"Permission denied" ]]
	done
	# Without /dev/mqueue only queues that were opened through the mount are listed.
	[ "$(as_user ls "$MQ")" = q ]
	as_user "$WORK/daemon" -V | grep 'listing queues: only those opened here'
	as_user rm "$SHM/a" "$MQ/q"
	[ -z "$(as_user ls "$MQ")" ]
	native unlink roots
	rm /dev/shm/roots
	as_user fusermount3 -u "$MNT"
	wait "$DAEMON"
	# A daemon that ends by a signal needs fusermount3, too.
	as_user "$WORK/daemon" "$MNT" 3>&-
	is_mounted
	as_user pkill -x daemon
	eventually not is_mounted
	eventually umount /dev/fuse
	[ ! -d /dev/mqueue ] || umount /dev/mqueue
	logged 'passthrough needs root'
	logged 'mq/ lists only queues opened there'
	ended_well
}

@test "an ordinary user sees the queues through /dev/mqueue" {
	# A /dev of its own, with an mqueue folder.
	mkdir "$WORK/dev" "$WORK/dev/shm" "$WORK/dev/mqueue"
	touch "$WORK/dev/null"
	mknod -m 666 "$WORK/dev/fuse" c 10 229
	mount --bind /dev/null "$WORK/dev/null"
	mount --bind /dev/shm "$WORK/dev/shm"
	mount -t mqueue mqueue "$WORK/dev/mqueue"
	mount --rbind "$WORK/dev" /dev
	let_all_in
	chown 65534:65534 "$MNT"
	cp "$IPCFS" "$WORK/daemon"
	native create roots 1 10 644
	as_user "$WORK/daemon" -V | grep 'listing queues: yes, through /dev/mqueue'
	as_user "$WORK/daemon" -f "$MNT" >"$LOG" 2>&1 3>&- &
	DAEMON=$!
	eventually is_mounted
	[ "$(as_user ls "$MQ")" = roots ]
	[ "$(as_user stat -c '%a %u' "$MQ/roots")" = "644 0" ]
	as_user sh -c "echo mine >'$MQ/mine'"
	[ "$(as_user ls "$MQ")" = $'mine\nroots' ]
	[ "$(as_user cat "$MQ/mine")" = mine ]
	as_user rm "$MQ/mine"
	native unlink roots
	as_user fusermount3 -u "$MNT"
	wait "$DAEMON"
	umount -l /dev
	umount "$WORK/dev/null" "$WORK/dev/shm" "$WORK/dev/mqueue"
	logged 'passthrough needs root'
	ended_well
}

@test "a line at the start says that backing files are refused" {
	# The root of a user namespace may not register backing files.
	# shellcheck disable=SC2016 # it is the other shell's
	run unshare --map-root-user --mount sh -c '
		"$1" -f "$2" >"$3" 2>&1 3>&- &
		until [ -d "$2/shm" ]; do sleep 0.01; done
		echo one >"$2/shm/a" && echo two >"$2/shm/b" && cat "$2/shm/a" "$2/shm/b"
		rm "$2/shm/a" "$2/shm/b"
		umount "$2"
		wait' - "$IPCFS" "$MNT" "$LOG"
	[ "$output" = $'one\ntwo' ]
	logged 'passthrough needs root'
	[ -d /dev/mqueue ] || logged 'mq/ lists only queues opened there'
	ipcfs_ended 0
}
