/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse would mount by path with mount(2). The path may have changed since it
 * was checked, and afterwards there is no way to find out which mount was made.
 * So the daemon makes the mount, and gives libfuse only the device.
 */
#include "fs/daemon/mount.h"

#include "core/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/*
 * The options of libfuse's lib/mount.c. Options without an attribute are passed
 * to the file system.
 */
static const struct {
	const char *word;
	unsigned int set, clear; /* attributes of the mount */
} options_known[] = {
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "noatime", MOUNT_ATTR_NOATIME, 0 },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "-r", MOUNT_ATTR_RDONLY, 0 },
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "sync", 0, 0 },
	{ "async", 0, 0 },
	{ "dirsync", 0, 0 },
	{ "allow_other", 0, 0 },
	{ "allow_root", 0, 0 },
	{ "default_permissions", 0, 0 },
	{ "auto_unmount", 0, 0 },
	{ "blkdev", 0, 0 },
	{ "blksize=", 0, 0 },
	{ "max_read=", 0, 0 },
	{ "context=", 0, 0 },
	{ "fscontext=", 0, 0 },
	{ "defcontext=", 0, 0 },
	{ "rootcontext=", 0, 0 },
	{ "fsname=", 0, 0 },
	{ "subtype=", 0, 0 },
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

/* Passes an option to the file system, unless it only sets an attribute. */
static int set_option(int fs, const char *word, size_t known)
{
	_cleanup_free_ char *key = strdup(word);
	char *value;
	int r;

	if (!key)
		return -ENOMEM;
	value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	if (strcmp(key, "-r") == 0)
		r = set(fs, "ro", NULL);
	else if (strcmp(key, "allow_root") == 0)
		/* libfuse refuses all but root and its own user. */
		r = set(fs, "allow_other", NULL);
	else if ((options_known[known].set | options_known[known].clear) &
		 ~(unsigned int)MOUNT_ATTR_RDONLY)
		r = 0;
	else
		r = set(fs, key, value);
	if (r < 0)
		(void)fprintf(stderr, "ipcfs: option '%s': %s\n", word,
			      strerror(-r));
	return r;
}

int fs_mount_new(int device, const struct fuse_args *options, int *ret_fd)
{
	_cleanup_close_ int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	unsigned int attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	const char *source = NULL, *subtype = NULL;
	int r = fs < 0 ? -errno : 0, fd;

	for (int i = 0; i < options->argc && r == 0; i++) {
		const char *word = options->argv[i];
		size_t known = find(word);

		attributes |= options_known[known].set;
		attributes &= ~options_known[known].clear;
		/* The kernel accepts only one of each; the last one counts. */
		if (strncmp(word, "fsname=", strlen("fsname=")) == 0)
			source = word + strlen("fsname=");
		else if (strncmp(word, "subtype=", strlen("subtype=")) == 0)
			subtype = word + strlen("subtype=");
		else
			r = set_option(fs, word, known);
	}
	r = r ?: set(fs, "source", source);
	r = r ?: set(fs, "subtype", subtype);
	r = r ?: set_number(fs, "fd", (unsigned int)device);
	r = r ?: set(fs, "rootmode", "40000");
	r = r ?: set_number(fs, "user_id", getuid());
	r = r ?: set_number(fs, "group_id", getgid());
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
