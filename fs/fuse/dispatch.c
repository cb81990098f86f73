/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An operation that some kinds lack is answered with an error of its own, never
 * with ENOSYS: the kernel takes that for the whole mount and asks no more. What
 * is missing from the table at the end no kind has.
 *
 * Rights are checked where an object is reached, by acting as the caller, and
 * not by the kernel on the mount (default_permissions), which would have to
 * guess them from the mode.
 */
#include "fs/fuse/dispatch.h"

#include "core/caller.h"
#include "core/file.h"
#include "fs/fuse/file.h"
#include "fs/fuse/log.h"
#include "fs/fuse/negotiate.h"
#include "fs/fuse/node.h"
#include "fs/fuse/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One request: what slots get, and what has to be freed after. */
struct request {
	struct fs_request base;
	struct fs_charge charge; /* unless a handle has got it */
	gid_t *groups;
};

/* Pays for the open files of roots that don't have all our capabilities. */
#define WEAK_ROOT ((uid_t)-3)

#define HANDLE(fi) ((struct fs_handle *)(uintptr_t)(fi)->fh)

/* For -d: what libfuse says of a request are numbers. */
static void trace(struct fs_node *node, const struct fuse_ctx *ctx,
		  const char *name)
{
	char path[NAME_MAX + 1], line[sizeof(path) + NAME_MAX + 20];
	const char *debug_prefix = fs_node_ops(node)->debug_prefix ?: "/";

	fs_node_name(node, path);
	(void)snprintf(line, sizeof(line), "%s%s%s%.255s", debug_prefix, path,
		       name ? ", name " : "", name ?: "");
	fs_log_make_printable(line);
	fuse_log(FUSE_LOG_DEBUG, "ipcfs: %s, by user %u, group %u\n", line,
		 ctx->uid, ctx->gid);
}

static struct fs_node *start(struct request *rq, fuse_req_t req, fuse_ino_t id,
			     const char *name)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *fs = fuse_req_userdata(req);
	struct fs_node *node = fs_node_from_id(fs->nodes, id);

	if (fs->debug)
		trace(node, ctx, name);
	rq->base = (struct fs_request){
		.fs = fs,
		.req = req,
		.cred = { .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid },
		.uid = ctx->uid,
		.view = fs_node_view(node),
		.charge = &rq->charge,
	};
	rq->charge = (struct fs_charge){ 0 };
	rq->groups = NULL;
	return node;
}

/* Begins a request in which no rights are checked, or were by open. */
static struct fs_node *begin_unchecked(struct request *rq, fuse_req_t req,
				       fuse_ino_t id)
{
	return start(rq, req, id, NULL);
}

/*
 * Lets the slot act as the caller. A daemon without privileges acts as itself
 * or not at all, so it doesn't need the caller's groups and capabilities.
 */
static void act_as_caller(struct request *rq)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(rq->base.req);
	struct core_cred *cred = &rq->base.cred;

	if (geteuid() != 0)
		return;
	cred->error = core_caller_read(ctx->pid, ctx->uid, ctx->gid, cred,
				       &rq->groups);
}

/* Begins a request in which rights count, and one with a name in it. */
static struct fs_node *begin_as_caller(struct request *rq, fuse_req_t req,
				       fuse_ino_t id, const char *name)
{
	struct fs_node *node = start(rq, req, id, name);

	act_as_caller(rq);
	return node;
}

/* For a request that opens a file: one more for its user. */
static int take_handle(struct request *rq)
{
	uid_t uid = rq->base.uid;
	int r;

	/* A root with fewer capabilities than ours may be unable to end us. */
	if (uid == 0 && !core_cred_has_all(&rq->base.cred))
		uid = WEAK_ROOT;
	r = fs_charge_take(&rq->charge, rq->base.fs->handles, uid);

	return r == -EAGAIN ? -EMFILE : r;
}

/* Ends a request with what its slot returned. */
static void end(struct request *rq, int result)
{
	if (result < 0)
		(void)fuse_reply_err(rq->base.req, -result);
	if (fs_charge_is_held(&rq->charge))
		fs_charge_release(&rq->charge);
	free(rq->groups);
}

/* Ends one whose slot leaves the reply, an empty one, to be made here. */
static void end_with_status(struct request *rq, int result)
{
	if (result == 0)
		(void)fuse_reply_err(rq->base.req, 0);
	end(rq, result);
}

/*
 * Whether a lookup in a directory gives everybody the same, whatever their
 * rights.
 */
static bool is_public(const struct fs_request *rq, const struct fs_ops *ops)
{
	int fd;

	if (!ops->child)
		return true;
	fd = ops->dir_fd ? ops->dir_fd(rq) : -1;
	return !ops->child->attr_as_caller && fd >= 0 &&
	       core_file_is_searchable(fd);
}

static void on_lookup(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct request rq;
	struct fs_node *dir = start(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(dir);

	if (is_public(&rq.base, ops))
		rq.base.cred = core_cred_self();
	else
		act_as_caller(&rq);

	end(&rq, ops->lookup ? ops->lookup(&rq.base, dir, name) : -ENOENT);
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
static struct fs_node *begin_stat(struct request *rq, fuse_req_t req,
				  fuse_ino_t id)
{
	struct fs_node *node = start(rq, req, id, NULL);

	if (fs_node_ops(node)->attr_as_caller)
		act_as_caller(rq);
	else
		rq->base.cred = core_cred_self();
	return node;
}

/*
 * GETATTR comes with an open file only for SEEK_END (and the kernel's
 * refreshes).
 */
static void on_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_stat(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);
	struct statx stx;
	int r = fi && ops->endless ? -ESPIPE
				   : ops->node_attr(&rq.base, node, &stx);

	end(&rq, r < 0 ? r : fs_reply_attr(&rq.base, &stx));
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
/* Asked for what stat(2) doesn't tell: the time of birth. */
static void on_statx(fuse_req_t req, fuse_ino_t id, int flags, int mask,
		     struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_stat(&rq, req, id);
	struct statx stx;
	int r = fs_node_ops(node)->node_attr(&rq.base, node, &stx);

	(void)flags, (void)mask, (void)fi;
	if (r == 0)
		(void)fuse_reply_statx(req, 0, &stx, 0);
	end(&rq, r);
}
#endif

static void on_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->setattr
			 ? ops->setattr(&rq.base, node, fi ? HANDLE(fi) : NULL,
					attr, to_set)
			 : -EPERM);
}

static void on_access(fuse_req_t req, fuse_ino_t id, int mask)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);

	/* In access(2) only root's capabilities count. */
	if (rq.base.uid != 0)
		rq.base.cred.caps = 0;
	if (ops->access)
		end(&rq, ops->access(&rq.base, node, mask));
	else
		end_with_status(&rq, 0);
}

static void on_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	struct statvfs sv;
	int r = fs_node_ops(node)->statfs(&rq.base, &sv);

	if (r == 0)
		(void)fuse_reply_statfs(req, &sv);
	end(&rq, r);
}

/* Whether objects can be created in a directory of this kind. */
static bool can_create(const struct fs_ops *ops)
{
	return ops->child && ops->child->create;
}

static void on_create(fuse_req_t req, fuse_ino_t id, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *dir = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(dir);
	int r = can_create(ops) ? take_handle(&rq) : -EPERM;

	end(&rq, r ?: fs_file_create(&rq.base, dir, name, mode, fi->flags));
}

static void on_mknod(fuse_req_t req, fuse_ino_t id, const char *name,
		     mode_t mode, dev_t dev)
{
	struct request rq;
	struct fs_node *dir = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(dir);

	(void)dev;
	end(&rq, can_create(ops) && S_ISREG(mode)
			 ? fs_file_mknod(&rq.base, dir, name, mode)
			 : -EPERM);
}

static void on_unlink(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct request rq;
	struct fs_node *dir = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(dir);

	end_with_status(&rq,
			ops->unlink ? ops->unlink(&rq.base, name) : -EPERM);
}

static void on_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t dir_id,
		    const char *name)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, name);
	struct fs_node *dir = fs_node_from_id(rq.base.fs->nodes, dir_id);
	const struct fs_ops *ops = fs_node_ops(dir);

	end(&rq, ops->link && ops->child == fs_node_ops(node)
			 ? fs_file_link(&rq.base, node, dir, name)
			 : -EPERM);
}

/* Objects are files in fixed directories, so these are nobody's to do. */

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

/* Objects can't leave their directory, and mv(1) is not to copy them instead. */
static void on_rename(fuse_req_t req, fuse_ino_t id, const char *name,
		      fuse_ino_t new_id, const char *new_name,
		      unsigned int flags)
{
	struct request rq;
	struct fs_node *dir = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(dir);

	end_with_status(&rq,
			ops->rename && id == new_id
				? ops->rename(&rq.base, name, new_name, flags)
				: -EPERM);
}

static void on_tmpfile(fuse_req_t req, fuse_ino_t id, mode_t mode,
		       struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *dir = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(dir);
	int r = ops->child && ops->child->create_anonymous ? take_handle(&rq)
							   : -EOPNOTSUPP;

	end(&rq, r ?: fs_file_tmpfile(&rq.base, dir, mode, fi->flags));
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
	struct request rq;
	struct fs_node *node = start(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(node);

	if (is_for_all(name))
		rq.base.cred = core_cred_self();
	else
		act_as_caller(&rq);

	end(&rq, ops->getxattr ? ops->getxattr(&rq.base, node, name, size)
			       : -ENODATA);
}

static void on_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->listxattr ? ops->listxattr(&rq.base, node, size)
				: fs_reply_xattr(&rq.base, "", size, 0));
}

static void on_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
			const char *value, size_t size, int flags)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->setxattr ? ops->setxattr(&rq.base, node, name, value,
					       size, flags)
			       : -ENOTSUP);
}

static void on_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, name);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->removexattr ? ops->removexattr(&rq.base, node, name)
				  : -ENOTSUP);
}

/* Of files and of directories: both make a handle. */
static void on_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	int r = take_handle(&rq);

	end(&rq, r ?: fs_node_ops(node)->open(&rq.base, node, fi->flags));
}

static void on_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct request rq;

	(void)begin_unchecked(&rq, req, id);
	fs_node_release(rq.base.fs, HANDLE(fi));
	(void)fuse_reply_err(req, 0);
}

static void on_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->read ? ops->read(&rq.base, HANDLE(fi), size, offset, fi)
			   : -EISDIR);
}

/*
 * Whether a write must clear setuid and setgid bits. Older libfuse doesn't say.
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
 * The right to write was checked by open. A write that must clear bits is made
 * as the caller, without capabilities, so that the kernel clears them. Root may
 * have CAP_FSETID, which keeps them, so for root the capabilities are read.
 */
static void on_write(fuse_req_t req, fuse_ino_t id, const char *buf,
		     size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	if (!kills_suidgid(fi))
		rq.base.cred = core_cred_self();
	else if (rq.base.uid == 0 && ops->clears_setuid)
		act_as_caller(&rq);
	end(&rq,
	    ops->write ? ops->write(&rq.base, HANDLE(fi), buf, size, offset, fi)
		       : -EISDIR);
}

static void on_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset,
			 off_t length, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->fallocate ? ops->fallocate(&rq.base, HANDLE(fi), mode,
						 offset, length)
				: -EOPNOTSUPP);
}

static void on_copy_file_range(fuse_req_t req, fuse_ino_t id, off_t offset,
			       struct fuse_file_info *fi, fuse_ino_t to_id,
			       off_t to_offset, struct fuse_file_info *to_fi,
			       size_t size, int flags)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);
	const struct fs_node *to = fs_node_from_id(rq.base.fs->nodes, to_id);

	(void)flags; /* none are defined */
	end(&rq, ops->copy_file_range && fs_node_ops(to) == ops
			 ? ops->copy_file_range(&rq.base, HANDLE(fi), offset,
						HANDLE(to_fi), to_offset, size)
			 : -EINVAL);
}

static void on_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
		     struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->lseek ? ops->lseek(&rq.base, HANDLE(fi), offset, whence)
			    : -EINVAL);
}

static void on_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	if (ops->flush)
		end(&rq, ops->flush(&rq.base, HANDLE(fi), fi->lock_owner));
	else
		(void)fuse_reply_err(req, 0);
}

static void on_getlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     struct flock *lock)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq,
	    ops->getlk ? ops->getlk(&rq.base, HANDLE(fi), fi->lock_owner, lock)
		       : -ENOLCK);
}

static void on_setlk(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     struct flock *lock, int sleep)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->setlk ? ops->setlk(&rq.base, HANDLE(fi), fi->lock_owner,
					 lock, sleep)
			    : -ENOLCK);
}

static void on_flock(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		     int operation)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq,
	    ops->flock ? ops->flock(&rq.base, HANDLE(fi), operation) : -ENOLCK);
}

static void on_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int cmd, void *arg,
		     struct fuse_file_info *fi, unsigned int flags,
		     const void *in, size_t in_size, size_t out_size)
{
	struct request rq;
	struct fs_node *node = begin_as_caller(&rq, req, id, NULL);
	const struct fs_ops *ops = fs_node_ops(node);

	(void)arg, (void)flags;
	end(&rq, ops->ioctl ? ops->ioctl(&rq.base, HANDLE(fi), cmd, in, in_size,
					 out_size)
			    : -ENOTTY);
}

static void on_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
		    struct fuse_pollhandle *poll)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	if (ops->poll) {
		end(&rq, ops->poll(&rq.base, HANDLE(fi), poll));
		return;
	}
	if (poll)
		fuse_pollhandle_destroy(poll);
	(void)fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

static void on_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	struct request rq;
	struct fs_node *node = begin_unchecked(&rq, req, id);
	const struct fs_ops *ops = fs_node_ops(node);

	end(&rq, ops->readdir ? ops->readdir(&rq.base, HANDLE(fi), size, offset)
			      : -ENOTDIR);
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
