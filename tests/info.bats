# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The info files of all kinds: whether an object is used, and which processes use it.

load mount.bash

USER=4001

setup() {
	ipcfs_mount -o allow_other
	let_all_in
}

teardown() {
	ipcfs_end
}

as_user() {
	setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# used VALUE FILE: prints the line "used VALUE" that the info file of shm/, mq/ or
# sem/NAME must have.
used() {
	case $2 in
	mq/*) echo "used $(of_queue "$1")" ;;
	*) echo "used $1" ;;
	esac
}

# is_used VALUE FILE
is_used() {
	grep -qx "$(used "$@")" "$MNT/${2%/*}:info/${2##*/}"
}

# holders FILE: prints the holders of an object, without the process numbers.
holders() {
	sed -n 's/^holder [0-9]* //p' "$MNT/${1%/*}:info,holders/${1##*/}" | sort
}

@test "an object is used while a process has it open or mapped, and not after" {
	python3 "$TESTS/info_used.py"
}

@test "info files that many read at once don't make an object look used" {
	: >/dev/shm/a
	python3 - <<-'END'
		from client import MNT, fork, join

		def read_often():
		    for _ in range(300):
		        with open(f"{MNT}/shm:info/a") as f:
		            assert "used no\n" in f

		join(*[fork(read_often) for _ in range(16)])
	END
	rm /dev/shm/a
}

@test "native opens and the daemon still work while info files are read" {
	: >/dev/shm/a
	for _ in {1..500}; do
		: </dev/shm/a
	done 3>&- &
	while kill -0 $! 2>/dev/null; do
		cat "$MNT/shm:info/a"
	done | grep '^used ' | sort -u
	wait $!
	is_used no shm/a
	rm /dev/shm/a
}

@test "opens through the mount don't fail while info files are read" {
	: >/dev/shm/a
	: >"$MQ/q"
	: >"$SEM/s"
	python3 "$TESTS/info_opens.py"
	rm /dev/shm/a "$MQ/q" "$SEM/s"
}

@test "a user who may not take a lease doesn't see whether an object is used" {
	: >/dev/shm/a
	: >"$MQ/q"
	: >"$SEM/s"
	for file in shm/a mq/q sem/s; do
		chmod 644 "$MNT/$file"
		info=$MNT/${file%/*}:info/${file##*/}
		[ "$(as_user $USER grep ^used "$info")" = "used unknown" ]
		chown $USER "$MNT/$file"
		[ "$(as_user $USER grep ^used "$info")" = "$(used no "$file")" ]
		is_used no "$file"
	done
	# Of root's capabilities only CAP_LEASE counts.
	run setpriv --bounding-set -lease --inh-caps -lease grep ^used "$MNT/shm:info/a"
	[ "$output" = "used unknown" ]
	rm /dev/shm/a "$MQ/q" "$SEM/s"
}

@test "holders are the processes that have an object open or mapped, with their rights" {
	: >/dev/shm/a
	truncate -s 4096 /dev/shm/a
	: >"$MQ/q"
	: >"$SEM/s"
	python3 - <<-'END'
		import mmap, os, subprocess
		MNT, SHM, MQ, SEM = (os.environ[n] for n in ("MNT", "SHM", "MQ", "SEM"))

		def holders(kind, name):
		    with open(f"{MNT}/{kind}:info,holders/{name}") as f:
		        lines = [line.split() for line in f if line.startswith("holder ")]
		    assert all(line[1] == str(os.getpid()) for line in lines), lines
		    return [" ".join(line[2:]) for line in lines]

		open("/proc/self/comm", "w").write("a b\\c\nd")
		name = r"a\040b\134c\012d"
		for path, kind in (("/dev/shm/a", "shm"), (f"{SHM}/a", "shm"),
		                   (f"{SEM}/s", "sem"), ("/dev/shm/sem.s", "sem"),
		                   (f"{MQ}/q", "mq"), (f"{MNT}/mq:lines/q", "mq"),
		                   (f"{os.environ['NATIVE']}/q", "mq")):
		    object = path[-1]
		    for flags, rights in (os.O_RDONLY, "r"), (os.O_WRONLY, "w"), (os.O_RDWR, "rw"):
		        fd = os.open(path, flags)
		        assert holders(kind, object) == [f"{name} fd {rights}"], (path, holders(kind, object))
		        os.close(fd)
		    # Rights to read and write are added up. A descriptor with O_PATH has no
		    # rights.
		    fds = os.open(path, os.O_RDONLY), os.open(path, os.O_WRONLY), os.open(path, os.O_PATH)
		    assert holders(kind, object) == [f"{name} fd rw"]
		    for fd in fds[:2]:
		        os.close(fd)
		    assert holders(kind, object) == []
		    os.close(fds[2])
		mappable = ["/dev/shm/a"]
		if "nopassthrough" not in os.environ["IPCFS_OPTIONS"]:
		    mappable.append(f"{SHM}/a")
		for path in mappable:
		    fd = os.open(path, os.O_RDWR)
		    m = mmap.mmap(fd, 4096, prot=mmap.PROT_READ)
		    os.close(fd)
		    # Python's mmap keeps a descriptor of its own.
		    assert holders("shm", "a") == [f"{name} fd rw", f"{name} map r"], holders("shm", "a")
		    m.close()
	END
	# A reader of an info file isn't a holder.
	exec 5<"$MNT/shm:info/a" 6<"$MNT/shm:info,holders/a"
	[ -z "$(holders shm/a)" ]
	exec 5<&- 6<&-
	rm /dev/shm/a "$MQ/q" "$SEM/s"
}

@test "a user sees the holders that ptrace would show, and nobody sees the daemon" {
	: >/dev/shm/a
	chmod 666 /dev/shm/a
	sleep 1000 5<"$SHM/a" 3>&- &
	local root=$!
	setpriv --reuid $USER --regid $USER --clear-groups sleep 1001 5<"$SHM/a" 3>&- &
	local user=$!
	eventually grep -q sleep "/proc/$root/comm"
	eventually grep -q sleep "/proc/$user/comm"
	[ "$(as_user $USER grep ^holder "$MNT/shm:info,holders/a")" = "holder $user sleep fd r" ]
	[ -z "$(as_user $((USER + 1)) sed -n '/^holder/p' "$MNT/shm:info,holders/a")" ]
	# From another namespace ptrace shows no process.
	for how in --user '--user --map-root-user' '--user --map-root-user --pid --fork'; do
		# shellcheck disable=SC2086 # words
		[ "$(as_user $USER unshare $how grep ^holder "$MNT/shm:info,holders/a")" = "holders unknown" ]
	done
	[ "$(unshare --pid --fork grep ^holder "$MNT/shm:info,holders/a")" = "holders unknown" ]
	[ "$(sed -n '/^holder/p' "$MNT/shm:info,holders/a" | sort)" = \
		"$(printf 'holder %d sleep fd r\n' "$root" "$user" | sort)" ]
	kill "$root" "$user"
	wait "$root" "$user" || true
	rm /dev/shm/a
}

@test "holders are read again for the same object, and for another process" {
	: >/dev/shm/a
	: >/dev/shm/b
	python3 - <<-'END'
		import os, subprocess
		dir = os.environ["MNT"] + "/shm:info,holders"

		def holders(name):
		    return sum(line.startswith("holder ") for line in open(f"{dir}/{name}"))

		assert holders("a") == 0
		fds = [os.open(f"/dev/shm/{name}", os.O_RDONLY) for name in "ab"]
		# One reading of /proc may serve the next object, but no object twice.
		assert holders("b") in (0, 1)
		assert holders("b") == 1
		assert holders("a") == 1
		for name in "ab":
		    text = subprocess.run(["cat", f"{dir}/{name}"], capture_output=True, text=True).stdout
		    assert f"holder {os.getpid()} python3 fd r\n" in text, text
	END
	rm /dev/shm/a /dev/shm/b
}

@test "views with holders: with info alone, and a few open files for each user" {
	: >/dev/shm/a
	chmod 644 /dev/shm/a
	for view in holders holders,holders,info; do
		run ls "$MNT/shm:$view"
		[[ $output == *"Invalid argument" ]]
	done
	logged "view option 'holders': it needs info"
	logged "view option 'holders': it is given twice"
	[ "$(ls "$MNT/shm:holders,info")" = a ]
	as_user $USER timeout 250 python3 - "$MNT/shm:info,holders/a" <<-'END'
		import errno, os, sys
		fds = [os.open(sys.argv[1], os.O_RDONLY) for _ in range(8)]
		try:
		    os.open(sys.argv[1], os.O_RDONLY)
		except OSError as e:
		    assert e.errno == errno.EMFILE, e
		else:
		    raise AssertionError("a ninth")
		os.close(fds.pop())
		while True:
		    try:
		        os.open(sys.argv[1], os.O_RDONLY)
		        break
		    except OSError as e:
		        assert e.errno == errno.EMFILE, e
	END
	rm /dev/shm/a
}

# crowd PROCESSES OBJECTS [open]: starts tests/holders, $CROWD, and waits until it is
# ready. Thousands of processes start, which takes a slow machine minutes.
crowd() {
	"$PROGRAMS/holders" "$1" "$2" /dev/shm "${@:3}" 3>&- >"$WORK/ready" &
	CROWD=$!
	# shellcheck disable=SC2016 # it is the other shell's
	timeout 200 sh -c 'until [ -s "$1" ]; do sleep 0.1; done' - "$WORK/ready"
}

end_crowd() {
	kill "$CROWD"
	wait "$CROWD" || true
	find /dev/shm -type f -delete
}

@test "4096 holders of an object are listed, and the others are counted" {
	crowd 4100 1 open
	cat "$MNT/shm:info,holders/0" >"$WORK/holders"
	end_crowd
	[ "$(grep -c '^holder ' "$WORK/holders")" -eq 4096 ]
	[ "$(tail -n 1 "$WORK/holders")" = 'more_holders 4' ]
}

@test "holders of one object are found among more holders than the daemon keeps" {
	timeout 100 python3 - "$MNT/shm:info,holders" 3>&- <<-'END'
		import os
		import sys

		PROCESSES, OBJECTS = 70, 1900 # 133,000 holders; 131,072 are kept
		for i in range(OBJECTS):
		    os.open(f"/dev/shm/{i}", os.O_RDONLY | os.O_CREAT)
		ends = os.pipe()
		for _ in range(PROCESSES - 1):
		    if os.fork() == 0:
		        os.close(ends[1])
		        os.read(ends[0], 1)
		        os._exit(0)
		for i in 0, OBJECTS - 1:
		    lines = open(f"{sys.argv[1]}/{i}").read().splitlines()
		    assert sum(line.startswith("holder ") for line in lines) == PROCESSES, lines
	END
	find /dev/shm -type f -delete
}

@test "holders of 500 objects beside lsof" {
	local n=$((${ROUNDS:-100000} / 20)) other one all

	crowd "$n" 500
	# bytes_read COMMAND ARG...: prints how many bytes the daemon has read for the
	# command.
	bytes_read() {
		local before

		before=$(awk '/^rchar/ { print $2 }' "/proc/$DAEMON/io")
		"$@" >/dev/null
		awk -v before="$before" '/^rchar/ { print $2 - before }' "/proc/$DAEMON/io"
	}
	one=$(bytes_read cat "$MNT/shm:info,holders/0")
	all=$(bytes_read cat "$MNT/shm:info,holders"/*)
	echo "# bytes read for one file: $one, for 500: $all" >&3
	# On a slow machine some pauses between two files end the sharing.
	[ "$all" -lt $((100 * one)) ]
	# Another user's requests are served meanwhile.
	(while [ ! -e "$WORK/done" ]; do
		timeout 30 stat "$SHM/0" >/dev/null || exit 1
	done) 3>&- &
	other=$!
	{
		TIMEFORMAT='# holders: %R s'
		time timeout 250 grep '^holder ' "$MNT/shm:info,holders"/* >"$WORK/holders"
		TIMEFORMAT='# lsof: %R s'
		time timeout 250 lsof -w +d /dev/shm >"$WORK/lsof"
	} 2>&3
	: >"$WORK/done"
	wait $other
	end_crowd
	[ "$(wc -l <"$WORK/holders")" -eq "$n" ]
}
