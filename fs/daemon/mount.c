/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse would mount by path with mount(2). The path may have changed since it
 * was checked, and afterwards we couldn't find out which mount was made. So the
 * daemon makes the mount, and libfuse gets only the device.
 */
#include "fs/daemon/mount.h"

#include "core/cleanup.h"
#include "core/linux.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* The options of libfuse's lib/mount.c that ipcfs accepts. */
static const struct {
	const char *word;
	const char *key;	 /* for the file system, or NULL */
	unsigned int set, clear; /* attributes of the mount */
} options_known[] = {
	{ "suid", NULL, 0, MOUNT_ATTR_NOSUID },
	{ "nosuid", NULL, MOUNT_ATTR_NOSUID, 0 },
	{ "dev", NULL, 0, MOUNT_ATTR_NODEV },
	{ "nodev", NULL, MOUNT_ATTR_NODEV, 0 },
	{ "exec", NULL, 0, MOUNT_ATTR_NOEXEC },
	{ "noexec", NULL, MOUNT_ATTR_NOEXEC, 0 },
	{ "symfollow", NULL, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "nosymfollow", NULL, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "noatime", NULL, MOUNT_ATTR_NOATIME, 0 },
	{ "nodiratime", NULL, MOUNT_ATTR_NODIRATIME, 0 },
	{ "-r", "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "ro", "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", "rw", 0, MOUNT_ATTR_RDONLY },
	{ "sync", "sync", 0, 0 },
	{ "async", "async", 0, 0 },
	{ "dirsync", "dirsync", 0, 0 },
	{ "allow_other", "allow_other", 0, 0 },
	/* libfuse itself refuses all users but root and the daemon's user. */
	{ "allow_root", "allow_other", 0, 0 },
	{ "default_permissions", "default_permissions", 0, 0 },
	{ "auto_unmount", "auto_unmount", 0, 0 },
	{ "context=", "context", 0, 0 },
	{ "fscontext=", "fscontext", 0, 0 },
	{ "defcontext=", "defcontext", 0, 0 },
	{ "rootcontext=", "rootcontext", 0, 0 },
	{ "fsname=", "source", 0, 0 },
	{ "subtype=", "subtype", 0, 0 },
};

enum { N_KNOWN = sizeof(options_known) / sizeof(*options_known) };

/* Returns the option's place in the table, or N_KNOWN. */
static size_t find(const char *word)
{
	size_t i = 0;

	for (; i < N_KNOWN; i++) {
		const char *known = options_known[i].word;
		size_t len = strlen(known);

		if (known[len - 1] == '=' ? strncmp(word, known, len) == 0
					  : strcmp(word, known) == 0)
			break;
	}
	return i;
}

static int on_word(void *closure, const char *word, int key,
		   struct fuse_args *args)
{
	(void)args;
	if (key == FUSE_OPT_KEY_OPT && find(word) < N_KNOWN &&
	    fuse_opt_add_arg(closure, word) < 0)
		return -1;
	return 1;
}

int fs_mount_collect(struct fuse_args *args, struct fuse_args *ret)
{
	return fuse_opt_parse(args, ret, NULL, on_word) < 0 ? -ENOMEM : 0;
}

static int set(int fs, const char *key, const char *value)
{
	return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			key, value, 0) < 0
		       ? -errno
		       : 0;
}

static int set_number(int fs, const char *key, unsigned int n)
{
	char value[sizeof("4294967295")];

	(void)snprintf(value, sizeof(value), "%u", n);
	return set(fs, key, value);
}

/*
 * Sets an option, unless the option is given again later: the kernel accepts
 * "source" only once.
 */
static int set_option(int fs, const struct fuse_args *options, int i)
{
	const size_t known = find(options->argv[i]);
	const char *key = options_known[known].key;
	const char *value = strchr(options->argv[i], '=');
	int r;

	for (int later = i + 1; later < options->argc; later++) {
		if (find(options->argv[later]) == known)
			return 0;
	}
	r = key ? set(fs, key, value ? value + 1 : NULL) : 0;
	if (r < 0)
		(void)fprintf(stderr,
			      "ipcfs: option '%s': the kernel refuses it: %s; "
			      "try: ipcfs without it\n",
			      options->argv[i], strerror(-r));
	return r;
}

int fs_mount_new(int device, const struct fuse_args *options, int *ret_fd)
{
	_cleanup_close_ int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	unsigned int attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	int r = fs < 0 ? -errno : 0, fd;

	for (int i = 0; i < options->argc && r == 0; i++) {
		size_t known = find(options->argv[i]);

		attributes |= options_known[known].set;
		attributes &= ~options_known[known].clear;
		r = set_option(fs, options, i);
	}
	r = r ?: set_number(fs, "fd", (unsigned int)device);
	r = r ?: set(fs, "rootmode", "40000");
	r = r ?: set_number(fs, "user_id", getuid());
	r = r ?: set_number(fs, "group_id", getgid());
	if (r == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
