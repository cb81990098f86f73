/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An operation that some kinds lack fails with an error of its own, never with
 * ENOSYS: after ENOSYS the kernel doesn't send the operation to any file of the
 * mount again. Operations that are missing from the table at the end are
 * missing from every kind.
 *
 * The kernel checks rights where an object is opened or its name resolved,
 * because the worker acts as the caller there. The kernel doesn't check rights
 * on the mount (default_permissions): there it would have to guess the rights
 * from the mode.
 */
#include "fs/fuse/dispatch.h"

#include "fs/fuse/dir.h"
#include "fs/fuse/file.h"
#include "fs/fuse/negotiate.h"
#include "fs/fuse/node.h"
#include "fs/fuse/reply.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#define HANDLE(fi) ((struct fs_handle *)(uintptr_t)(fi)->fh)

/*
 * Calls a slot of the request's kind. If the slot is empty the result is error.
 */
#define CALL(rq, error, slot, ...) \
	((rq)->kind->slot ? (rq)->kind->slot(rq, ##__VA_ARGS__) : (error))

/* Lets a slot act as the daemon if its result is the same for every user. */
static void act(struct fs_request *rq, bool for_all)
{
	if (for_all)
		rq->cred = core_cred_self();
	else
		fs_request_act_as_caller(rq);
}

static void on_lookup(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct fs_request rq = fs_request_begin(req, id, name);
	bool is_root = id == FUSE_ROOT_ID;

	act(&rq, is_root || fs_dir_is_public(&rq));
	fs_request_end(&rq, is_root ? rq.kind->lookup(&rq, name)
				    : fs_file_lookup(&rq, name));
}

static void forget(struct fs *fs, fuse_ino_t id, uint64_t n)
{
	fs_node_forget(fs->nodes, fs_node_from_id(fs->nodes, id), n);
}

static void on_forget(fuse_req_t req, fuse_ino_t id, uint64_t n)
{
	forget(fuse_req_userdata(req), id, n);
	fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(fuse_req_userdata(req), forgets[i].ino,
		       forgets[i].nlookup);
	fuse_reply_none(req);
}

/*
 * Begins a stat. The lookup has checked the right to search the directory, and
 * stat needs no other right.
 */
static struct fs_request begin_stat(fuse_req_t req, fuse_ino_t id)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	act(&rq, rq.node->is_dir || !rq.kind->attr_as_caller);
	return rq;
}

/*
 * GETATTR comes with an open file only for SEEK_END (and the kernel's
 * refreshes).
 */
static void on_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs_request rq = begin_stat(req, id);
	const struct fs_handle *handle = fi ? HANDLE(fi) : NULL;
	bool is_end = handle && rq.kind->endless && !rq.node->is_dir;
	struct statx stx;
	int r = is_end ? -ESPIPE : fs_file_attr(&rq, &stx);

	fs_request_end(&rq, r < 0 ? r : fs_reply_attr(&rq, &stx));
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
/* STATX asks for the time of birth, which GETATTR doesn't return. */
static void on_statx(fuse_req_t req, fuse_ino_t id, int flags, int mask,
		     struct fuse_file_info *fi)
{
	struct fs_request rq = begin_stat(req, id);
	struct statx stx;
	int r = fs_file_attr(&rq, &stx);

	(void)flags, (void)mask, (void)fi;
	if (r == 0)
		(void)fuse_reply_statx(req, 0, &stx, 0);
	fs_request_end(&rq, r);
}
#endif

static void on_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);

	fs_request_end(&rq, fs_file_setattr(&rq, fi ? HANDLE(fi) : NULL, attr,
					    to_set));
}

static void on_access(fuse_req_t req, fuse_ino_t id, int mask)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);

	/* In access(2) only root's capabilities count. */
	if (rq.caller->uid != 0)
		rq.cred.caps = 0;
	fs_request_end_with_status(&rq, rq.node->is_dir
						? fs_dir_access(&rq, mask)
						: fs_file_access(&rq, mask));
}

static void on_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);
	struct statvfs sv = { .f_namemax = NAME_MAX };
	int r = CALL(&rq, 0, statfs, &sv);

	if (r == 0)
		(void)fuse_reply_statfs(req, &sv);
	fs_request_end(&rq, r);
}

static void on_create(fuse_req_t req, fuse_ino_t id, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);
	int r = rq.kind->create ? fs_request_charge_handle(&rq) : -EPERM;

	fs_request_end(&rq, r ?: fs_file_create(&rq, name, mode, fi->flags));
}

static void on_mknod(fuse_req_t req, fuse_ino_t id, const char *name,
		     mode_t mode, dev_t dev)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);

	(void)dev;
	fs_request_end(&rq, rq.kind->create && S_ISREG(mode)
				    ? fs_file_mknod(&rq, name, mode)
				    : -EPERM);
}

static void on_unlink(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);

	fs_request_end_with_status(&rq, CALL(&rq, -EPERM, unlink, name));
}

static void on_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t dir_id,
		    const char *name)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);
	struct fs_node *dir = fs_node_from_id(rq.fs->nodes, dir_id);

	fs_request_end(&rq, rq.kind->link && dir->kind == rq.kind
				    ? fs_file_link(&rq, name)
				    : -EPERM);
}

/*
 * Objects are files in fixed directories, so nobody may make or remove
 * directories.
 */

static void on_mkdir(fuse_req_t req, fuse_ino_t id, const char *name,
		     mode_t mode)
{
	(void)id, (void)name, (void)mode;
	(void)fuse_reply_err(req, EPERM);
}

static void on_rmdir(fuse_req_t req, fuse_ino_t id, const char *name)
{
	(void)id, (void)name;
	(void)fuse_reply_err(req, EPERM);
}

static void on_symlink(fuse_req_t req, const char *target, fuse_ino_t id,
		       const char *name)
{
	(void)target, (void)id, (void)name;
	(void)fuse_reply_err(req, EPERM);
}

/*
 * Objects can't leave their directory. The error isn't EXDEV, after which mv(1)
 * would copy them instead.
 */
static void on_rename(fuse_req_t req, fuse_ino_t id, const char *name,
		      fuse_ino_t new_id, const char *new_name,
		      unsigned int flags)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);

	fs_request_end_with_status(
		&rq, rq.kind->rename && id == new_id
			     ? rq.kind->rename(&rq, name, new_name, flags)
			     : -EPERM);
}

static void on_tmpfile(fuse_req_t req, fuse_ino_t id, mode_t mode,
		       struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);
	int r = rq.kind->create_anonymous ? fs_request_charge_handle(&rq)
					  : -EOPNOTSUPP;

	fs_request_end(&rq, r ?: fs_file_tmpfile(&rq, mode, fi->flags));
}

/*
 * Whether every user may read an attribute. The lookup has checked the right to
 * search the directory. Source: xattr_permission() in the kernel's fs/xattr.c.
 */
static bool is_for_all(const char *name)
{
	return strncmp(name, "system.", strlen("system.")) == 0 ||
	       strncmp(name, "security.", strlen("security.")) == 0;
}

/* ls(1) asks for attributes of "system." and "security." of each file. */
static void on_getxattr(fuse_req_t req, fuse_ino_t id, const char *name,
			size_t size)
{
	struct fs_request rq = fs_request_begin(req, id, name);

	act(&rq, is_for_all(name));
	fs_request_end(&rq, fs_file_getxattr(&rq, name, size));
}

static void on_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);

	fs_request_end(&rq, fs_file_getxattr(&rq, NULL, size));
}

static void on_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
			const char *value, size_t size, int flags)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);

	fs_request_end_with_status(&rq, fs_file_setxattr(&rq, name, value, size,
							 flags));
}

static void on_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, name);

	fs_request_end_with_status(&rq,
				   fs_file_setxattr(&rq, name, NULL, 0, 0));
}

/* Opens a file or a directory: both make a handle. */
static void on_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);
	int r = fs_request_charge_handle(&rq);

	if (r == 0)
		r = rq.node->is_dir ? fs_dir_open(&rq)
				    : fs_file_open(&rq, fi->flags);
	fs_request_end(&rq, r);
}

static void on_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_node_release(rq.fs, HANDLE(fi));
	fs_request_end_with_status(&rq, 0);
}

static void on_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq, fs_file_read(&rq, HANDLE(fi), size, offset, fi));
}

/*
 * Whether a write must clear setuid and setgid bits. Older versions of libfuse
 * don't say.
 */
static bool kills_suidgid(const struct fuse_file_info *fi)
{
#if FUSE_VERSION > FUSE_MAKE_VERSION(3, 18) || \
	(FUSE_VERSION == FUSE_MAKE_VERSION(3, 18) && FUSE_HOTFIX_VERSION >= 3)
	return fi->kill_suidgid;
#else
	(void)fi;
	return true;
#endif
}

/*
 * The open has checked the right to write. A write that must clear setuid and
 * setgid bits is made as the caller, without capabilities, so that the kernel
 * clears the bits. Root may have CAP_FSETID, which keeps the bits, so for root
 * the capabilities are read.
 */
static void on_write(fuse_req_t req, fuse_ino_t id, const char *buf,
		     size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	if (!kills_suidgid(fi))
		rq.cred = core_cred_self();
	else if (rq.caller->uid == 0 && rq.kind->clears_setuid)
		fs_request_act_as_caller(&rq);
	fs_request_end(&rq,
		       rq.kind->write(&rq, HANDLE(fi), buf, size, offset, fi));
}

static void on_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset,
			 off_t length, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);

	fs_request_end(&rq, CALL(&rq, -EOPNOTSUPP, fallocate, HANDLE(fi), mode,
				 offset, length));
}

static void on_copy_file_range(fuse_req_t req, fuse_ino_t id, off_t offset,
			       struct fuse_file_info *fi, fuse_ino_t to_id,
			       off_t to_offset, struct fuse_file_info *to_fi,
			       size_t size, int flags)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);
	const struct fs_node *to = fs_node_from_id(rq.fs->nodes, to_id);

	(void)flags; /* none are defined */
	fs_request_end(&rq, rq.kind->copy_file_range && to->kind == rq.kind
				    ? rq.kind->copy_file_range(
					      &rq, HANDLE(fi), offset,
					      HANDLE(to_fi), to_offset, size)
				    : -EINVAL);
}

static void on_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
		     struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq,
		       CALL(&rq, -EINVAL, lseek, HANDLE(fi), offset, whence));
}

static void on_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	if (rq.kind->flush)
		fs_request_end(&rq,
			       rq.kind->flush(&rq, HANDLE(fi), fi->lock_owner));
	else
		(void)fuse_reply_err(req, 0);
}

static void on_getlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     struct flock *lock)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq, CALL(&rq, -ENOLCK, getlk, HANDLE(fi),
				 fi->lock_owner, lock));
}

static void on_setlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     struct flock *lock, int sleep)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq, CALL(&rq, -ENOLCK, setlk, HANDLE(fi),
				 fi->lock_owner, lock, sleep));
}

static void on_flock(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     int operation)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq, CALL(&rq, -ENOLCK, flock, HANDLE(fi), operation));
}

static void on_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int cmd, void *arg,
		     struct fuse_file_info *fi, unsigned int flags,
		     const void *in, size_t in_size, size_t out_size)
{
	struct fs_request rq = fs_request_begin_as_caller(req, id, NULL);

	(void)arg, (void)flags;
	fs_request_end(&rq, fs_file_ioctl(&rq, HANDLE(fi), cmd, in, in_size,
					  out_size));
}

static void on_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		    struct fuse_pollhandle *poll)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	if (rq.kind->poll) {
		fs_request_end(&rq, rq.kind->poll(&rq, HANDLE(fi), poll));
		return;
	}
	if (poll)
		fuse_pollhandle_destroy(poll);
	(void)fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

static void on_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	struct fs_request rq = fs_request_begin(req, id, NULL);

	fs_request_end(&rq, fs_dir_read(&rq, HANDLE(fi), size, offset));
}

const struct fuse_lowlevel_ops fs_dispatch = {
	.init = fs_negotiate,
	.lookup = on_lookup,
	.forget = on_forget,
	.forget_multi = on_forget_multi,
	.getattr = on_getattr,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	.statx = on_statx,
#endif
	.setattr = on_setattr,
	.access = on_access,
	.statfs = on_statfs,
	.create = on_create,
	.mknod = on_mknod,
	.unlink = on_unlink,
	.mkdir = on_mkdir,
	.rmdir = on_rmdir,
	.symlink = on_symlink,
	.link = on_link,
	.rename = on_rename,
	.tmpfile = on_tmpfile,
	.getxattr = on_getxattr,
	.listxattr = on_listxattr,
	.setxattr = on_setxattr,
	.removexattr = on_removexattr,
	.open = on_open,
	.opendir = on_open,
	.release = on_release,
	.releasedir = on_release,
	.read = on_read,
	.write = on_write,
	.fallocate = on_fallocate,
	.copy_file_range = on_copy_file_range,
	.lseek = on_lseek,
	.poll = on_poll,
	.flush = on_flush,
	.getlk = on_getlk,
	.setlk = on_setlk,
	.flock = on_flock,
	.ioctl = on_ioctl,
	.readdir = on_readdir,
};
