# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The Debian package: build, installation and removal.

load mount.bash
load system.bash

PACKAGE=$TESTS/../scripts/package

setup_file() {
	own_system /usr /etc /var
	mount -t tmpfs tmpfs /mnt
}

setup() {
	[ -e "$TESTS/../.git" ] || skip 'not a git checkout'
	ipcfs_prepare
	MNT=/mnt/ipc SHM=/mnt/ipc/shm
	mkdir -p "$MNT"
}

# content DIRECTORY: prints the files and where links lead. Manual pages are compressed,
# and the documents are Debian's own.
content() {
	(cd "$1" && find . ! -type d ! -path './usr/share/doc/*' -printf '%p %l\n') |
		sed 's/\.gz\>//g' | sort
}

@test "a kind of package that does not exist is refused" {
	run "$PACKAGE" nonsense
	[ "$status" -eq 2 ]
	[[ $output == *"'nonsense' is not understood; usage: "* ]]
	ipcfs_ended 0
}

@test "the package has what meson installs, works, and is removed without a trace" {
	# The script runs from any folder.
	cd /
	"$PACKAGE" >"$WORK/out" 2>"$WORK/err" || {
		cat "$WORK/out" "$WORK/err"
		return 1
	}
	not grep -E '^[EWIP]:' "$WORK/out"
	deb=$(tail -n1 "$WORK/out")
	[[ $deb == */build-package/ipcfs_*_"$(dpkg --print-architecture)".deb ]]

	# A second build has the same bytes.
	cp "$deb" "$WORK/first.deb"
	[ "$("$PACKAGE" 2>"$WORK/err" | tail -n1)" = "$deb" ]
	cmp "$WORK/first.deb" "$deb"

	dpkg-deb -x "$deb" "$WORK/packaged"
	DESTDIR=$WORK/stage meson install -C "$BUILD" --no-rebuild --quiet
	diff <(content "$WORK/packaged") <(content "$WORK/stage")

	dpkg -i "$deb"
	dpkg -s ipcfs | grep -x 'Status: install ok installed'
	[ "$(dpkg-query -Wf '${Version}' ipcfs)" = "$(ipcfs -V | sed -n '1s/.* //p')" ]
	# The service isn't enabled: the administrator decides.
	[ -z "$(find /etc/systemd -name 'ipcfs*')" ]
	mount -t ipcfs ipcfs "$MNT" 3>&-
	is_mounted
	echo text >"$MNT/mq/jobs"
	[ "$(cat "$MNT/mq/jobs")" = text ]
	rm "$MNT/mq/jobs"
	echo text >"$SHM/a"
	[ "$(cat /dev/shm/a)" = text ]
	rm "$SHM/a"
	umount "$MNT"

	dpkg -r ipcfs
	dpkg -P ipcfs
	not dpkg -s ipcfs
	# Only dpkg's own notes and caches have changed.
	diff /dev/null <(find "$UPPER" ! -type d | grep -vE "^$UPPER/var/(lib/dpkg|log|cache)/")
	[ -z "$(find "$UPPER" -name '*ipcfs*')" ]
	ipcfs_ended 0
}
