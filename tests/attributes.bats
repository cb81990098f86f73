# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Attributes of the directories, and flags of inodes. Most tests run on the mount and
# natively, and compare the results.

load mount.bash

USER=4001

setup() {
	ipcfs_mount -o allow_other
	let_all_in
}

teardown() {
	chattr -ia /dev/shm/* 2>/dev/null || true
	find /dev/shm -type f -delete
	setfacl -b /dev/shm
	chmod 1777 /dev/shm
	chown 0:0 /dev/shm
	ipcfs_end
}

# as_python USER ARG...: runs a Python program from stdin as the user.
as_python() {
	{
		cat <<-'END'
			import errno, fcntl, os, struct, sys

			def outcome(f, *args):
			    """What a call returns, or the name of its error."""
			    try:
			        return f(*args)
			    except OSError as e:
			        return errno.errorcode[e.errno]

			def same(outcomes, natively, here):
			    """Asserts that both outcomes are the same. Returns them."""
			    expected = outcomes(natively)
			    assert outcomes(here) == expected, (outcomes(here), expected)
			    return expected
		END
		cat
	} >"$WORK/script"
	chmod 644 "$WORK/script"
	setpriv --reuid "$1" --regid "$1" --clear-groups timeout 250 \
		python3 "$WORK/script" "${@:2}"
}

# change_attributes USER NATIVE HERE: makes the same changes to both directories. Prints
# how utimens(2) ended.
change_attributes() {
	as_python "$@" <<-'END'
		def outcomes(d):
		    done = [outcome(os.utime, d, (1, 2)), outcome(os.chmod, d, 0o1755),
		            outcome(os.chown, d, 4001, 4002), outcome(os.chown, d, -1, -1)]
		    st = os.stat(d)
		    done += [st.st_mode, st.st_uid, st.st_gid, st.st_atime, st.st_mtime]
		    return done + [outcome(os.chown, d, 0, 0), outcome(os.chmod, d, 0o1777),
		                   outcome(os.truncate, d, 0)]
		print(same(outcomes, *sys.argv[1:])[0])
		# A time that is set in the mount is the native time, too.
		outcome(os.utime, sys.argv[2], (3, 4))
		assert os.stat(sys.argv[1]).st_mtime == os.stat(sys.argv[2]).st_mtime
	END
}

@test "mode, owner and times of the directories are those of the real ones" {
	[ "$(change_attributes 0 /dev/shm "$SHM")" = None ]
	[ "$(change_attributes 0 "$NATIVE" "$MQ")" = None ]
	[ "$(change_attributes $USER /dev/shm "$SHM")" = EPERM ]
	[ "$(change_attributes $USER "$NATIVE" "$MQ")" = EPERM ]
	for command in "chmod 700" "chown 1" "touch"; do
		run $command "$MNT"
		[[ $output == *"Operation not permitted" ]]
	done
}

@test "extended attributes of shm/ are those of /dev/shm" {
	for user in 0 $USER; do
		as_python "$user" /dev/shm "$SHM" <<-'END'
			def outcomes(d):
			    done = []
			    for name in "user.a", "trusted.a", "security.a", "system.posix_acl_access":
			        done += [outcome(os.getxattr, d, name), outcome(os.setxattr, d, name, b"x"),
			                 outcome(os.getxattr, d, name), outcome(os.listxattr, d),
			                 outcome(os.removexattr, d, name)]
			    return done
			same(outcomes, *sys.argv[1:])
		END
	done
	setfacl -m u:$USER:rx "$SHM"
	getfacl -c /dev/shm | grep -x "user:$USER:r-x"
	[ "$(getfacl -cp "$SHM")" = "$(getfacl -cp /dev/shm)" ]
}

@test "ls -l shows the + of an ACL, whichever directory it reads first" {
	: >"$SHM/a"
	: >"$MQ/q"
	setfacl -m u:$USER:r "$SHM/a"
	for other in "$SHM" "$MNT" "$MQ" "$MNT/mq:info"; do
		run ls -ld "$other" "$other/"* "$SHM/a"
		[[ ${lines[-1]} == "-rw-r--r--+"*"$SHM/a" ]]
		[ -z "$(getfattr -d -m '^[^u]' "$other" 2>&1)" ]
	done
	run ls -l "$SHM"
	[[ ${lines[1]} == "-rw-r--r--+"* ]]
	rm "$MQ/q"
}

# copy HOW TO: copies the directory "from". Prints the exit status and the result.
copy() {
	local status=0

	case $1 in
	rsync) rsync -a "$WORK/from/" "$2/" ;;
	rsync-X) rsync -aAX "$WORK/from/" "$2/" ;;
	cp) cp -a "$WORK/from/." "$2/" ;;
	tar) tar -C "$2" --xattrs --acls -xpf "$WORK/from.tar" ;;
	esac >/dev/null 2>&1 || status=$?
	echo "$1: $status"
	(cd "$2" && stat -c '%n %a %u %g %s %.9Y' . [a-z]*)
	getfacl -cp "$2"
	find /dev/shm -type f -delete
}

@test "a new owner has the owner's rights through a descriptor after fstat" {
	: >/dev/shm/a
	chmod 666 /dev/shm/a
	python3 - "$SHM/a" $USER <<-'END'
		import fcntl, os, struct, sys
		FS_IOC_SETFLAGS, FS_NODUMP_FL = 0x40086602, 0x40
		path, user = sys.argv[1], int(sys.argv[2])
		fd = os.open(path, os.O_RDWR)
		os.chown("/dev/shm/a", user, user)
		os.seteuid(user)
		os.fstat(fd)
		os.removexattr(fd, "system.posix_acl_access")
		fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", FS_NODUMP_FL))
		fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NOATIME)
	END
}

@test "a SELinux label can be read if it is set, otherwise ENOTSUP" {
	echo x >"$SHM/a"
	run getfattr -n security.selinux "$SHM/a"
	[ "$status" -eq 1 ]
	[[ "$output" == *"Operation not supported" ]]
	setfattr -n security.selinux -v label /dev/shm/a
	[ "$(getfattr --only-values -n security.selinux "$SHM/a")" = label ]
	run getfattr -n security.selinux "$MQ"
	[[ "$output" == *"Operation not supported" ]]
	run getfattr -n security.other "$SHM/a"
	[[ "$output" == *"No such attribute" ]]
}

@test "cp -a, rsync -a and tar of a directory into shm/ end as natively" {
	mkdir -m 1777 "$WORK/from"
	echo text >"$WORK/from/a"
	chmod 600 "$WORK/from/a"
	echo more >"$WORK/from/b"
	setfattr -n user.x -v y "$WORK/from/b" || true
	touch -d '2001-02-03 04:05:06.789' "$WORK/from"/*
	chown -R $USER:$USER "$WORK/from"
	touch -d '2002-02-03 04:05:06.789' "$WORK/from"
	tar -C "$WORK/from" --xattrs --acls -cf "$WORK/from.tar" .
	chmod 644 "$WORK/from.tar"
	for how in rsync rsync-X cp tar; do
		natively=$(copy $how /dev/shm)
		chown 0:0 /dev/shm && chmod 1777 /dev/shm
		[ "$(copy $how "$SHM")" = "$natively" ]
		[[ $natively == "$how: 0"* ]]
		# A user who doesn't own the directory can't set its times.
		chown 0:0 /dev/shm && chmod 1777 /dev/shm && touch -d @1 /dev/shm
		natively=$(as_copier $how /dev/shm)
		[ "$(as_copier $how "$SHM")" = "$natively" ]
	done
}

# as_copier HOW TO: copy as that user. The directory's own times are those of the copy.
as_copier() {
	WORK=$WORK setpriv --reuid $USER --regid $USER --clear-groups \
		bash -c "$(declare -f copy); copy $1 $2" | sed '/^\. /s/[0-9.]*$//'
}

@test "lsattr and chattr work on objects as natively" {
	as_python 0 /dev/shm "$SHM" <<-'END'
		NODUMP, IMMUTABLE, APPEND, NOATIME, SYNC = 0x40, 0x10, 0x20, 0x80, 8
		GETFLAGS, SETFLAGS, GETVERSION, FSGET, FSSET = (
		    0x80086601, 0x40086602, 0x80087601, 0x801C581F, 0x401C5820)
		def flags(path, request=GETFLAGS, value=0, mode=os.O_RDONLY):
		    fd = os.open(path, mode)
		    try:
		        return struct.unpack("i", fcntl.ioctl(fd, request, struct.pack("i", value)))[0]
		    finally:
		        os.close(fd)
		def attributes(path, request, flags=0):
		    fd = os.open(path, os.O_RDONLY)
		    try:
		        return fcntl.ioctl(fd, request, struct.pack("5I8x", flags, 0, 0, 0, 0))
		    finally:
		        os.close(fd)
		def outcomes(d):
		    path = f"{d}/a"
		    with open(path, "w") as f:
		        f.write("x")
		    done = [outcome(flags, path), outcome(flags, d)]
		    for value in NODUMP, NODUMP | NOATIME, SYNC, IMMUTABLE, APPEND:
		        done += [outcome(flags, path, SETFLAGS, value), outcome(flags, path),
		                 outcome(attributes, path, FSGET), outcome(os.truncate, path, 0),
		                 outcome(flags, path, GETFLAGS, 0, os.O_WRONLY), outcome(os.unlink, path)]
		        if not os.path.exists(path):
		            open(path, "w").close()
		    done += [outcome(attributes, path, FSSET, 0), outcome(flags, path, SETFLAGS, 0),
		             outcome(flags, d, SETFLAGS, NODUMP), outcome(flags, d),
		             outcome(flags, d, SETFLAGS, 0)]
		    fd = os.open(path, os.O_RDONLY)
		    for request in GETVERSION, 0x5401, 0x1234, 0xC0045877, 0x80047601:
		        done.append(outcome(fcntl.ioctl, fd, request, b"x" * 64))
		    os.unlink(path)
		    return done
		assert "EPERM" in same(outcomes, *sys.argv[1:])
		# Another user may change their own objects, unless that needs a capability.
		os.setgroups([]), os.setresgid(4001, 4001, 4001), os.setresuid(4001, 4001, 4001)
		assert "EPERM" in same(outcomes, *sys.argv[1:])
	END
	: >"$SHM/a"
	chattr +id "$SHM/a"
	[ "$(lsattr /dev/shm/a | cut -d' ' -f1)" = "$(lsattr "$SHM/a" | cut -d' ' -f1)" ]
	run rm "$SHM/a"
	[[ $output == *"Operation not permitted" ]]
	chattr -i "$SHM/a"
	rm "$SHM/a"
}

@test "queues and the root have no flags, as natively" {
	: >"$MQ/q"
	as_python 0 "$NATIVE" "$MQ" <<-'END'
		def outcomes(d):
		    done = []
		    for path in d, f"{d}/q":
		        fd = os.open(path, os.O_RDONLY)
		        for request in 0x80086601, 0x40086602, 0x801C581F, 0x401C5820, 0x5401, 0x1234:
		            done.append(outcome(fcntl.ioctl, fd, request, bytes(64)))
		    return done
		same(outcomes, *sys.argv[1:])
	END
	not lsattr -d "$MNT"
	# After these calls the kernel still asks for the flags of other files.
	: >"$SHM/a"
	lsattr "$SHM/a"
	rm "$MQ/q"
}

@test "chown with -1 and -1 clears setuid and setgid, and sets the ctime" {
	as_python 0 /dev/shm "$SHM" <<-'END'
		def time_of_a_new_file(d):
		    open(f"{d}/clock", "w").close()
		    time = os.stat(f"{d}/clock").st_ctime_ns
		    os.unlink(f"{d}/clock")
		    return time

		def outcomes(d):
		    path, done = f"{d}/a", []
		    for owner in 0, 4001:
		        for mode in 0o6711, 0o2701, 0o600:
		            open(path, "w").close()
		            os.chown(path, owner, owner)
		            os.chmod(path, mode)
		            before = os.stat(path).st_ctime_ns
		            # Before Linux 6.13 the clock of files ticks every few milliseconds.
		            while time_of_a_new_file(d) <= before:
		                pass
		            done += [outcome(os.chown, path, -1, -1), os.stat(path).st_mode,
		                     os.stat(path).st_ctime_ns > before]
		            os.chmod(path, mode)
		            if os.fork() == 0:
		                os.setgroups([]), os.setresgid(4001, 4001, 4001), os.setresuid(4001, 4001, 4001)
		                # A stranger's chown fails, and reports an error natively only.
		                outcome(os.chown, path, -1, -1)
		                os._exit(0)
		            os.wait()
		            done += [os.stat(path).st_mode]
		            os.unlink(path)
		    return done
		assert same(outcomes, *sys.argv[1:])[:3] == [None, 0o100711, True]
		# A user who may write needn't be the owner.
		path = f"{sys.argv[2]}/a"
		open(path, "w").close()
		os.chmod(path, 0o6777)
		if os.fork() == 0:
		    os.setgroups([]), os.setresgid(4001, 4001, 4001), os.setresuid(4001, 4001, 4001)
		    assert os.write(os.open(path, os.O_WRONLY), b"x") == 1
		    os._exit(0)
		assert os.wait()[1] == 0
		assert os.stat(path).st_mode == 0o100777
	END
}

@test "an append-only object can be appended to, but not written otherwise" {
	echo old >/dev/shm/a
	chattr +a /dev/shm/a
	echo new >>"$SHM/a"
	[ "$(cat /dev/shm/a)" = $'old\nnew' ]
	as_python 0 /dev/shm "$SHM" <<-'END'
		def outcomes(d):
		    path = f"{d}/a"
		    done = [outcome(os.open, path, os.O_WRONLY),
		            outcome(os.open, path, os.O_WRONLY | os.O_APPEND | os.O_TRUNC),
		            outcome(os.truncate, path, 0), outcome(os.unlink, path)]
		    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
		    done += [os.pwrite(fd, b"more\n", 0), outcome(os.ftruncate, fd, 0),
		             os.pread(fd, 5, os.stat(path).st_size - 5)]
		    # Natively the flag can't be removed. Through the mount the same call
		    # changes nothing.
		    outcome(fcntl.fcntl, fd, fcntl.F_SETFL, 0)
		    return done + [os.pwrite(fd, b"last\n", 0),
		                   os.pread(fd, 5, os.stat(path).st_size - 5)]
		assert same(outcomes, *sys.argv[1:])[-1] == b"last\n"
	END
	chattr -a /dev/shm/a
	rm "$SHM/a"
}

@test "concurrent appends to an object don't overwrite each other" {
	as_python 0 "$SHM/a" <<-'END'
		path = sys.argv[1]
		for i in range(4):
		    if os.fork() == 0:
		        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
		        for k in range(300):
		            os.write(fd, b"%d %d\n" % (i, k))
		        os._exit(0)
		for _ in range(4):
		    assert os.wait()[1] == 0
		with open(path) as f:
		    assert sorted(f) == sorted(f"{i} {k}\n" for i in range(4) for k in range(300))
		fd = os.open(path, os.O_RDWR)
		os.pwrite(fd, b"first", 0)
		os.pwrite(fd, b"third", 10)
		assert os.pread(fd, 5, 0) + os.pread(fd, 5, 10) == b"firstthird"
		fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
		os.write(fd, b"end")
		assert os.pread(fd, 10, os.stat(path).st_size - 3) == b"end"
	END
	rm "$SHM/a"
}

@test "objects and queues are created in a user namespace that doesn't own /dev/shm" {
	# The daemon is the user's own, in a user namespace without other users.
	mkdir "$WORK/own" "$WORK/own/mnt"
	cp "$IPCFS" "$WORK/own/daemon"
	mknod -m 666 "$WORK/fuse" c 10 229
	mount --bind "$WORK/fuse" /dev/fuse
	chown -R 65534:65534 "$WORK/own"
	as_user unshare --user --map-root-user --mount true ||
		{ umount /dev/fuse && skip "user namespaces can't be had"; }
	: >/dev/shm/roots
	chmod 644 /dev/shm/roots
	# shellcheck disable=SC2016 # it is the other shell's
	as_user unshare --user --map-root-user --mount timeout 250 sh -ec 'cd own
		trap "umount mnt; wait" EXIT
		./daemon -f mnt >log 2>&1 &
		for i in $(seq 200); do [ ! -d mnt/shm ] || break; sleep 0.05; done
		[ "$(stat -c "%u %g %a" mnt/shm)" = "0 0 1777" ]
		echo x >mnt/shm/a
		echo y >>mnt/shm/a
		cp mnt/shm/a mnt/shm/b
		mv mnt/shm/b mnt/shm/c
		cat mnt/shm/c /dev/shm/a mnt/shm/roots
		rm mnt/shm/a mnt/shm/c
		echo m >mnt/mq/q
		cat mnt/mq/q
		rm mnt/mq/q' 3>&- >"$WORK/out"
	umount /dev/fuse
	[ "$(cat "$WORK/out")" = $'x\ny\nx\ny\nm' ]
	rm /dev/shm/roots
}
