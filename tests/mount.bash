# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# A mount of its own for each test, sourced by the bats files and by on_mount.
# The daemon runs in the foreground, so that its exit status and its output can be
# checked. The natives' view of queues is mounted beside it.
#
# IPCFS is the daemon's path, IPCFS_OPTIONS are for all its starts. After ipcfs_mount:
#   MNT     the mount point          MQ, SHM   its two directories
#   NATIVE  native queues as files   DAEMON    the daemon's pid
#   LOG     what the daemon printed
# PROGRAMS is where the tests' own are built.
#
# Starting a process takes longer than most checks, and these functions are called
# around every test. So they use what the shell itself can do.

# A user of this test's own. The kernel counts the memory of a user's queues over all
# namespaces of the machine, so a test that uses it up must not be root.
# shellcheck disable=SC2034 # for those that source this
LONER=$((1 << 28 | SRANDOM >> 4))

TESTS=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck disable=SC2034 # for those that source this
PROGRAMS=${IPCFS%/*}/../tests
# For the tests' Python programs.
export PYTHONPATH=$TESTS PYTHONDONTWRITEBYTECODE=1

# native COMMAND ARG...: POSIX IPC without the mount; see native.py.
native() {
	"$TESTS/native.py" "$@"
}

# not COMMAND ARG...: fails if it succeeds. "!" would not end a test.
not() {
	if "$@"; then
		echo "succeeded: $*" >&2
		return 1
	fi
}

# eventually COMMAND ARG...: repeats until it succeeds, less and less often; fails after
# two minutes.
eventually() {
	local end=$((SECONDS + 120)) ms=10 pause

	until "$@"; do
		((SECONDS < end)) || {
			echo "never true: $*" >&2
			return 1
		}
		printf -v pause '0.%03d' $ms
		sleep "$pause"
		ms=$((ms < 80 ? 2 * ms : ms))
	done
}

is_mounted() {
	local mounts

	mapfile -t mounts </proc/self/mounts
	[[ ${mounts[*]} == *" $MNT fuse.ipcfs "* ]]
}

is_served() {
	is_mounted && [ -d "$MNT/shm" ]
}

# ipcfs_start [OPTION...]: starts the daemon on MNT. A shell's background jobs ignore
# SIGINT; the daemon must not.
ipcfs_start() {
	# shellcheck disable=SC2086 # words
	env --default-signal=INT "$IPCFS" -f ${IPCFS_OPTIONS-} "$@" "$MNT" >>"$LOG" 2>&1 3>&- &
	DAEMON=$!
	eventually is_served
	# The first request makes the daemon's descriptors complete.
	[ -d "$MNT/mq" ]
	DAEMON_FDS=$(fds "$DAEMON")
}

# ipcfs_prepare: makes the directories.
ipcfs_prepare() {
	WORK=$(mktemp -d -p "${BATS_TEST_TMPDIR:-/tmp}")
	MNT=$WORK/mnt NATIVE=$WORK/mqueue LOG=$WORK/log
	SHM=$MNT/shm MQ=$MNT/mq SEM=$MNT/sem
	export WORK MNT NATIVE LOG SHM MQ SEM
	mkdir "$MNT" "$NATIVE"
	: >"$LOG"
	mount -t mqueue mqueue "$NATIVE"
	# Objects that a failed test has left.
	find /dev/shm "$NATIVE" -mindepth 1 -delete
}

# ipcfs_mount [OPTION...]: makes the directories and starts the daemon.
ipcfs_mount() {
	ipcfs_prepare
	ipcfs_start "$@"
}

fds() {
	local fds=("/proc/$1/fd/"*)

	echo ${#fds[@]}
}

has_fds() {
	[ "$(fds "$1")" -eq "$2" ]
}

# look: whether all threads of the daemon sleep, and the workers wait for a request.
# SLEPT is how often the workers have gone to sleep. No process may be started for this:
# if the shell has a file of the mount open, the end of the process would be a request.
look() {
	local task key value name wchan

	SLEPT=
	for task in "/proc/$DAEMON/task/"*; do
		while read -r key value; do
			case $key in
			Name:) name=$value ;;
			State:) [ "$value" = 'S (sleeping)' ] || return 1 ;;
			*ctxt_switches:) [ "$name" != worker ] || SLEPT+="$task $value " ;;
			esac
		done <"$task/status" || return 1
		read -r wchan <"$task/wchan" || true
		[ "$name" != worker ] || [ "$wchan" = fuse_dev_do_read ] || return 1
	done 2>/dev/null
}

# is_idle: whether all threads sleep at one time, so that all requests are finished.
is_idle() {
	local before

	look || return 1
	before=$SLEPT
	look && [ "$SLEPT" = "$before" ]
}

# waits PID...: whether each process is in a request that the daemon has received.
waits() {
	local pid

	for pid; do
		[ "$(cat "/proc/$pid/wchan" 2>/dev/null)" = request_wait_answer ] ||
			return 1
	done
	is_idle
}

# is_linux VERSION: whether the kernel has this version or a later one.
is_linux() {
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" = "$1" ]
}

# of_queue VALUE: what "used" says of a queue, where it would say VALUE of an object.
# Since Linux 7.0 queues have no leases, by which the daemon finds out.
of_queue() {
	if is_linux 7.0; then echo unknown; else echo "$1"; fi
}

is_empty() {
	[ -z "$(ls -A "$1")" ]
}

# ipcfs_end: the test has closed and removed what it made. Fails if the daemon
# keeps a descriptor or ends badly, or if an object or queue is left.
ipcfs_end() {
	local status=0

	eventually has_fds "$DAEMON" "$DAEMON_FDS" || {
		ls -l "/proc/$DAEMON/fd"
		return 1
	}
	is_empty /dev/shm || { ls -l /dev/shm && return 1; }
	is_empty "$NATIVE" || { ls -l "$NATIVE" && return 1; }
	umount "$MNT"
	wait "$DAEMON" || status=$?
	ipcfs_ended "$status"
}

# logged TEXT: expects a line of the log with TEXT, and removes such lines, so that
# ipcfs_end accepts the log.
logged() {
	grep -qF "$1" "$LOG"
	grep -vF "$1" "$LOG" >"$LOG.rest" || true
	cat "$LOG.rest" >"$LOG"
	rm "$LOG.rest"
}

# ended_well: waits for the daemon's end, and checks that it has left nothing.
ended_well() {
	local status=0

	wait "$DAEMON" || status=$?
	is_empty /dev/shm
	is_empty "$NATIVE"
	ipcfs_ended "$status"
}

# ipcfs_ended STATUS: checks what must hold after the daemon's end.
ipcfs_ended() {
	[ ! -s "$LOG" ] || cat "$LOG"
	[ "$1" -eq 0 ]
	# libfuse prints this if the mount is removed while it reads a request.
	[ ! -s "$LOG" ] ||
		not grep -vxF 'fuse: reading device: Software caused connection abort' "$LOG"
	not is_mounted
	umount "$NATIVE"
	rm -r "$WORK"
}

# let_all_in: lets other users search the test's directories.
let_all_in() {
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$WORK"
	chmod 711 "$(dirname "$BATS_TEST_TMPDIR")"
}

# as_user COMMAND ARG...: runs the command as an ordinary user, nobody.
as_user() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env -C "$WORK" "$@"
}
