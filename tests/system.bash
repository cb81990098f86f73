# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# A system to install things in: what is written to it is gone with the test.

# own_system DIRECTORY...: lets these be written to. Each gets a layer of its own
# over what is there; UPPER/DIRECTORY is that layer. /run is empty.
UPPER=/run/upper

own_system() {
	local dir

	mount -t tmpfs -o mode=755 tmpfs /run
	# Where systemd is, umount(8) keeps records.
	mkdir /run/mount
	: >/run/mount/utab
	for dir; do
		mkdir -p "$UPPER$dir" "/run/work$dir"
		mount -t overlay -o "lowerdir=$dir,upperdir=$UPPER$dir,workdir=/run/work$dir" \
			overlay "$dir"
	done
}
