# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Several users on one mount: the charges of each user, and the operations on
# other users' objects that must fail.

load mount.bash

A=$((LONER)) B=$((LONER + 1))

# The bytes of a queue of the default size: its messages, and 96 bytes for each.
ONE=$(($(</proc/sys/fs/mqueue/msg_default) * ($(</proc/sys/fs/mqueue/msgsize_default) + 96)))

# mount_for_all [OPTION,...]
mount_for_all() {
	ipcfs_mount -o "allow_other${1:+,$1}"
	let_all_in
	cp "$TESTS/native.py" "$WORK"
}

setup() {
	read -r REGULAR </proc/sys/fs/protected_regular
	read -r HARDLINKS </proc/sys/fs/protected_hardlinks
	[[ $BATS_TEST_DESCRIPTION == max_user* ]] || mount_for_all
}

teardown() {
	echo "$REGULAR" >/proc/sys/fs/protected_regular
	echo "$HARDLINKS" >/proc/sys/fs/protected_hardlinks
	chmod 1777 /dev/shm
	ipcfs_end
}

# as USER COMMAND ARG...: runs the command as the user.
as() {
	setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# start USER COMMAND ARG...: the same in the background. The pid is in STARTED.
start() {
	setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}" 3>&- &
	STARTED=$!
}

# fill USER NAME: creates queues of the default size until that fails, under a limit
# that two fit into. Prints the error and the number of queues.
fill() {
	# shellcheck disable=SC2016 # it is the other shell's
	as "$1" bash -c 'ulimit -q $1
		while : >"$0$n"; do n=$((n + 1)); done
		echo "made $((n))"' "$MQ/$2" $((2 * ONE)) 2>&1
}

@test "a user at the limit of RLIMIT_MSGQUEUE gets EMFILE; other users can still create queues" {
	[[ $(fill $A a) == *"Too many open files"*"made 2" ]]
	# Queues that are created natively count in the same account.
	run as $A bash -c "ulimit -q $((2 * ONE)); '$WORK/native.py' create b"
	[ "$output" = EMFILE ]
	[[ $(fill $B b) == *"Too many open files"*"made 2" ]]
	: >"$MQ/root"
	rm "$MQ/a"
	as $A bash -c "ulimit -q $((2 * ONE)); : >'$MQ/again'"
	run as $A bash -c "ulimit -q $((2 * ONE)); : >'$MQ/more'"
	[[ $output == *"Too many open files" ]]
	rm "$MQ"/*
	logged RLIMIT_MSGQUEUE
}

@test "ulimit -q of the process counts, also root's" {
	run bash -c "ulimit -q 0; : >'$MQ/q'"
	[[ $output == *"Too many open files" ]]
	run bash -c "ulimit -q 0; '$WORK/native.py' create q"
	[ "$output" = EMFILE ]
	: >"$MQ/q"
	bash -c "ulimit -q 0; : >>'$MQ/q'"
	rm "$MQ/q"
	logged RLIMIT_MSGQUEUE
}

@test "msg_max and msgsize_max apply to users, also in a root daemon" {
	for limit in maxmsg=msg_max msgsize=msgsize_max; do
		read -r max </proc/sys/fs/mqueue/${limit#*=}
		run as $A bash -c ": >'$MQ:${limit%=*}=$((max + 1))/q'"
		[[ $output == *"Invalid argument" ]]
		[ ! -e "$NATIVE/q" ]
	done
	logged msg_max
	logged msgsize_max
}

@test "owner, group and mode of a user's new objects" {
	as $A bash -c "umask 027; : >'$MQ/q'; umask 777; : >'$MQ/none'"
	[ "$(stat -c '%u %g %a' "$NATIVE/q")" = "$A $A 640" ]
	[ "$(stat -c '%u %g %a' "$NATIVE/none")" = "$A $A 0" ]
	run as $B rm "$MQ/q"
	[[ $output == *"Permission denied" ]]
	as $A rm "$MQ/q" "$MQ/none"
}

@test "mq_notify names the sender, in each view, once for each message" {
	: >"$MQ:maxmsg=2,msgsize=64/q"
	chmod 666 "$MQ/q"
	DAEMON=$DAEMON timeout 250 python3 "$TESTS/users_notify.py" "$MQ" $A $B
	rm "$MQ/q" "$MQ/one" "$MQ/many"
}

@test "a user can't signal the daemon while it creates queues" {
	as $A timeout 250 python3 - "$DAEMON" "$MQ:maxmsg=1,msgsize=1/q" <<-'END'
		import os, sys
		daemon, path = sys.argv[1:]
		creator = os.fork()
		if creator == 0:
		    for i in range(300):
		        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
		        os.unlink(path)
		    os._exit(0)
		while os.waitpid(creator, os.WNOHANG) == (0, 0):
		    for tid in os.listdir(f"/proc/{daemon}/task"):
		        try:
		            os.kill(int(tid), 0)
		            sys.exit(f"{tid} could be signalled")
		        except (PermissionError, ProcessLookupError):
		            pass
	END
}

@test "a user who kills or stops the creating child fails alone" {
	as $A timeout 250 python3 - "$DAEMON" "$MQ:maxmsg=1,msgsize=1/q" <"$TESTS/users_hunt.py"
	[ -z "$(cat "/proc/$DAEMON/task/"*/children)" ]
	as $B sh -c ": >'$MQ/q' && rm '$MQ/q'"
}

@test "groups and ulimit -q count also with hidepid" {
	echo text >"$SHM/a"
	chown 0:$B "$SHM/a"
	chmod 640 "$SHM/a"
	mount -o remount,hidepid=2,gid=1 /proc
	member() { setpriv --reuid $A --regid $A --groups $B "$@"; }
	[ "$(member cat "$SHM/a")" = text ]
	run as $A cat "$SHM/a"
	[[ $output == *"Permission denied" ]]
	[[ $(fill $A a) == *"made 2" ]]
	mount -o remount,hidepid=0,gid=0 /proc
	rm "$SHM/a" "$MQ"/*
	logged RLIMIT_MSGQUEUE
}

@test "root's privileged operations work as natively" {
	for dir in /dev/shm "$SHM"; do
		python3 - "$dir/a" <<-'END'
			import os, sys
			path = sys.argv[1]
			open(path, "w").close()
			for name, value in (("security.capability", bytes([0, 0, 0, 2] + 16 * [0])),
			                    ("trusted.of", b"root"), ("security.of", b"all")):
			    os.setxattr(path, name, value)
			    assert os.getxattr(path, name) == value
			    os.removexattr(path, name)
			# Other users' objects, in a sticky directory.
			os.chown(path, 4001, 4002)
			os.chmod(path, 0o2010)
			os.utime(path, (1, 1))
			assert os.stat(path).st_mode == 0o102010
			os.unlink(path)
		END
	done
}

# python_as USER FILE...: runs a script that may call expect(errno, call).
python_as() {
	{
		cat <<-'END'
			import fcntl, os, sys
			from errno import *

			def expect(error, call):
			    try:
			        sys.exit(f"succeeded: {call()}")
			    except OSError as e:
			        assert e.errno == error, e
		END
		cat
	} >"$WORK/script.$1"
	as "$1" timeout 250 python3 "$WORK/script.$1" "${@:2}"
}

# overwrite DIR: prints the result of ">" on other users' objects.
overwrite() {
	local owner command

	for owner in 0 $A $B; do
		for command in env "as $A"; do
			rm -f /dev/shm/trap
			echo old >/dev/shm/trap
			chown "$owner" /dev/shm/trap
			chmod 666 /dev/shm/trap
			# shellcheck disable=SC2016 # it is the other shell's
			$command sh -c 'echo new >"$0"' "$1/trap" 2>/dev/null || true
			echo "$command $owner: $(cat /dev/shm/trap)"
		done
	done
	rm /dev/shm/trap
}

@test "fs.protected_regular holds for > through the mount" {
	for value in 0 1 2; do
		echo $value >/proc/sys/fs/protected_regular
		for mode in 1777 1775 777; do
			chmod $mode /dev/shm
			overwrite /dev/shm >"$WORK/natively"
			overwrite "$SHM" >"$WORK/mounted"
			diff "$WORK/natively" "$WORK/mounted"
		done
	done
}

@test "rights to link are as natively" {
	for protected in 1 0; do
		echo $protected >/proc/sys/fs/protected_hardlinks
		for mode in 600 644 666 4755; do
			for user in $A $B 0; do
				as $A touch /dev/shm/object
				as $A chmod $mode /dev/shm/object
				run as "$user" ln /dev/shm/object /dev/shm/link
				natively=$status
				rm -f /dev/shm/link
				run as "$user" ln "$SHM/object" "$SHM/link"
				echo "protected $protected, mode $mode, user $user: $output"
				[ "$status" -eq "$natively" ]
				rm -f /dev/shm/{object,link}
			done
		done
	done
}

# status NAME: prints the attribute user.ipcfs.NAME of the root.
status() {
	getfattr --absolute-names --only-values -n "user.ipcfs.$1" "$MNT"
}

has_status() {
	[ "$(status "$1")" = "$2" ]
}

@test "attributes of the root name the user with most open and most waiting" {
	native create q
	: >"$SHM/a"
	chmod 666 "$SHM/a" "$MQ/q"
	[ "$(status version)" = "$("$IPCFS" -V | sed -n 's/^ipcfs //p')" ]
	eventually has_status handles 0
	has_status handles_most 0
	has_status waiting 0
	has_status waiting_most 0
	[ "$(status workers)" -ge 1 ]
	exec 5<"$SHM/a"
	has_status handles_most '1 of user 0'
	# shellcheck disable=SC2016 # it is the other shell's
	start $A bash -c 'exec 6<"$0" 7<"$0" && echo ready && exec cat "$1"' \
		"$SHM/a" "$MQ/q" >"$WORK/out"
	a=$STARTED
	eventually has_status waiting 1
	has_status waiting_most "1 of user $A"
	has_status handles 4
	has_status handles_most "3 of user $A"
	cat "$MQ/q" 3>&- 5<&- &
	pids=("$a" $!)
	cat "$MQ/q" 3>&- 5<&- &
	pids+=($!)
	eventually has_status waiting 3
	has_status waiting_most '2 of user 0'
	[ "$(getfattr -d --absolute-names "$MNT" | grep -c '^user.ipcfs.')" -eq 7 ]
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	exec 5<&-
	eventually has_status handles_most 0
	has_status waiting 0
	rm "$SHM/a" "$MQ/q"
}

@test "attributes of the root: other users learn the version and passthrough" {
	local want name

	want=$(getfattr -d --absolute-names "$MNT" | grep -E 'version=|passthrough=')
	for user in "--reuid $A" "--bounding-set=-all"; do
		# shellcheck disable=SC2086 # words
		[ "$(setpriv $user --regid $A --clear-groups getfattr -d --absolute-names "$MNT" | \
			grep user.ipcfs)" = "$want" ]
		for name in handles handles_most waiting waiting_most workers; do
			# shellcheck disable=SC2086 # words
			run setpriv $user --regid $A --clear-groups getfattr -n user.ipcfs.$name "$MNT"
			echo "$user $name: $output"
			[[ $output == *"Permission denied" ]]
		done
	done
	run getfattr -n user.ipcfs.none "$MNT"
	[[ $output == *"No such attribute" ]]
	run setfattr -n user.ipcfs.version -v 2 "$MNT"
	[[ $output == *"Operation not supported" ]]
	for directory in "$SHM" "$MQ" "$MNT/mq:info"; do
		run getfattr -d "$directory"
		[ -z "$output" ]
	done
}

@test "max_user_handles applies to a root without capabilities" {
	mount_for_all max_user_handles=3
	: >"$SHM/a"
	# shellcheck disable=SC2016 # it is the other shell's
	open_four='exec 5<"$0" 6<"$0" 7<"$0" 8<"$0"'
	bash -c "$open_four" "$SHM/a"
	run setpriv --bounding-set=-all bash -c "$open_four" "$SHM/a"
	[[ $output == *"Too many open files" ]]
	rm "$SHM/a"
}

@test "max_user_handles: EMFILE for one user alone" {
	mount_for_all max_user_handles=3
	python_as $A "$SHM" "$MQ" <<-'END'
		shm, mq = sys.argv[1:]
		fds = [os.open(f"{shm}/a", os.O_RDWR | os.O_CREAT),
		       os.open(f"{mq}/q", os.O_RDWR | os.O_CREAT),
		       os.open(shm, os.O_RDONLY | os.O_DIRECTORY)]
		os.write(fds[0], b"text")
		expect(EMFILE, lambda: os.open(f"{shm}/a", os.O_RDWR | os.O_TRUNC))
		expect(EMFILE, lambda: os.open(f"{shm}/new", os.O_RDWR | os.O_CREAT))
		expect(EMFILE, lambda: os.open(f"{mq}/new", os.O_RDWR | os.O_CREAT))
		expect(EMFILE, lambda: os.open(shm, os.O_RDWR | os.O_TMPFILE))
		expect(EMFILE, lambda: os.listdir(mq))
		assert os.stat(f"{shm}/a").st_size == 4
		expect(ENOENT, lambda: os.stat(f"{shm}/new"))
		expect(ENOENT, lambda: os.stat(f"{mq}/new"))
		for fd in fds:
		    os.close(fd)
		# A failed open isn't counted, nor is a closed file.
		for _ in range(10):
		    expect(ENOENT, lambda: os.open(f"{shm}/none", os.O_RDONLY))
		    expect(EEXIST, lambda: os.open(f"{mq}/q", os.O_CREAT | os.O_EXCL))
		    assert os.listdir(mq) == ["q"]
		    os.close(os.open(f"{shm}/b", os.O_RDWR | os.O_CREAT))
		    os.unlink(f"{shm}/b")
	END
	# User A has all open files that it may have. Other users and root aren't affected.
	# shellcheck disable=SC2016 # it is the other shell's
	start $A bash -c 'exec 5<"$0" 6<"$0" 7<"$0" && echo ready && exec sleep 1000' \
		"$SHM/a" >"$WORK/out"
	holder=$STARTED
	eventually test -s "$WORK/out"
	run as $A cat "$SHM/a"
	[[ $output == *"Too many open files" ]]
	chmod 644 "$SHM/a"
	[ "$(as $B cat "$SHM/a")" = text ]
	bash -c 'for n in {10..19}; do eval "exec $n<$0"; done' "$SHM/a"
	kill -9 $holder
	not wait $holder
	as_before() { [ "$(as $A cat "$SHM/a" 2>&1)" = text ]; }
	eventually as_before
	[ "$(as $A cat "$SHM/a" "$SHM/a" "$SHM/a" "$SHM/a")" = texttexttexttext ]
	rm "$SHM/a" "$MQ/q"
}

@test "max_user_waiting: EAGAIN for one user alone" {
	mount_for_all max_user_waiting=2
	local pids=() user

	native create empty 1 10 666
	native create full 1 10 666
	native send full x
	: >"$SHM/lock"
	chmod 666 "$SHM/lock"
	# Not by this shell: the end of each subshell would be a request.
	# shellcheck disable=SC2016 # it is the other shell's
	start 0 bash -c 'exec 5>"$0" && flock -x 5 && echo held && exec sleep 1000' \
		"$SHM/lock" >"$WORK/held"
	holder=$STARTED
	eventually test -s "$WORK/held"
	for user in $A $A $B $B 0 0 0; do
		start "$user" cat "$MQ/empty" >"$WORK/out"
		pids+=("$STARTED")
		eventually waits "$STARTED"
	done
	for user in $A $B; do
		run as "$user" cat "$MQ/empty"
		[[ $output == *"Resource temporarily unavailable" ]]
	done
	python_as $A "$SHM/lock" "$MQ/empty" "$MQ/full" <<-'END'
		lock, empty, full = sys.argv[1:]
		fd = os.open(full, os.O_RDWR)
		expect(EAGAIN, lambda: os.write(fd, b"y"))
		locked = os.open(lock, os.O_RDWR)
		expect(EAGAIN, lambda: fcntl.flock(locked, fcntl.LOCK_EX))
		expect(EAGAIN, lambda: os.read(os.open(empty, os.O_RDONLY), 10))
		# An operation that needn't wait succeeds.
		assert os.read(fd, 10) == b"x"
		assert os.write(fd, b"y") == 1
		fcntl.lockf(locked, fcntl.LOCK_EX)
	END
	# Killed processes wait no more: there is room for two again.
	kill -9 "${pids[0]}" "${pids[1]}"
	not wait "${pids[0]}"
	not wait "${pids[1]}"
	eventually is_idle
	for n in 0 1; do
		start $A flock -x "$SHM/lock" true
		pids[n]=$STARTED
		eventually waits "$STARTED"
	done
	kill $holder
	not wait $holder
	wait "${pids[0]}"
	wait "${pids[1]}"
	unset "pids[0]" "pids[1]"
	kill "${pids[@]}"
	for pid in "${pids[@]}"; do
		not wait "$pid"
	done
	rm "$MQ/empty" "$MQ/full" "$SHM/lock"
}

@test "max_user_waiting counts lines that are sent after close" {
	mount_for_all max_user_waiting=2
	native create full 1 10 666
	native send full x
	for n in 1 2 3; do
		as $A bash -c "printf 'line $n' >'$MQ:lines/full'"
	done
	logged "did not get an unfinished line of 6 bytes: Resource temporarily"
	[ "$(native receive full)" = x ]
	for n in 1 2; do
		arrived() { [ "$(stat -c %s "$MQ/full")" -eq 6 ]; }
		eventually arrived
		[ "$(native receive full)" = "line $n" ]
	done
	rm "$MQ/full"
}
