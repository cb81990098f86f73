/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory objects as files: shm/ and its files. */
#include "core/shm.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "core/lock.h"
#include "fs/fuse/node.h"
#include "fs/fuse/waiting.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

struct shm_handle {
	struct fs_handle base;
	atomic_bool locked; /* a lock of any sort was requested through it */
};

static int obj_find(const struct fs_request *rq, const char *name, ino_t ino,
		    int *ret_fd)
{
	return core_file_find(rq->fs->dirs->shm_dir, &rq->cred, name, ino,
			      ret_fd);
}

static int obj_reopen(const struct fs_request *rq, int fd, int flags,
		      int *ret_fd)
{
	return core_shm_reopen(rq->fs->dirs, &rq->cred, fd, flags, ret_fd);
}

static int obj_truncate(const struct fs_request *rq, struct fs_handle *handle,
			int fd, off_t size)
{
	/* If the size stays the same, only ftruncate() sets the times. */
	return handle ? core_shm_truncate(&rq->cred, handle->fd, size)
		      : core_file_truncate(&rq->cred, fd, size);
}

/*
 * Unlock explicitly. Closing our descriptor doesn't release an flock(2) lock
 * while the kernel's backing file holds the same open file description.
 */
static void obj_release(struct fs *fs, struct fs_handle *handle_)
{
	struct shm_handle *handle = (struct shm_handle *)handle_;

	if (handle->locked) {
		(void)flock(handle_->fd, LOCK_UN);
		core_locks_unlock_handle(&handle_->node->locks, handle);
		core_wait_retry(fs->wait);
	}
	fs_handle_free(handle_);
}

static int obj_create(const struct fs_request *rq, const char *name, int flags,
		      mode_t mode, int *ret_fd)
{
	return core_shm_open(rq->fs->dirs, &rq->cred, name, flags, mode,
			     ret_fd);
}

static int obj_create_anonymous(const struct fs_request *rq, int flags,
				mode_t mode, int *ret_fd)
{
	return core_shm_open_anonymous(rq->fs->dirs, &rq->cred, flags, mode,
				       ret_fd);
}

/*
 * Append at the end that the object has now, not at offset: the kernel computes
 * the offset from a size that another process may have changed since.
 */
static int obj_write(const struct fs_request *rq, struct fs_handle *handle,
		     const char *buf, size_t size, off_t offset,
		     const struct fuse_file_info *fi)
{
	ssize_t n = core_shm_write(&rq->cred, handle->fd, buf, size, offset,
				   fi->flags & O_APPEND);

	if (n < 0)
		return (int)n;
	(void)fuse_reply_write(rq->req, (size_t)n);
	return 0;
}

static int obj_fallocate(const struct fs_request *rq, struct fs_handle *handle,
			 int mode, off_t offset, off_t length)
{
	struct fs_charge charge = { 0 };
	int r = fs_charge_user(&charge, rq->fs->allocations, rq->caller->uid,
			       0);

	if (r < 0)
		return r;
	r = core_shm_allocate(&rq->cred, handle->fd, mode, offset, length);
	fs_charge_release(&charge);
	if (r < 0)
		return r;
	(void)fuse_reply_err(rq->req, 0);
	return 0;
}

/*
 * The kernel copies between two backing files itself, so that the memory is
 * charged to the process.
 */
static int obj_copy_file_range(const struct fs_request *rq,
			       struct fs_handle *from, off_t offset_from,
			       struct fs_handle *to, off_t offset_to,
			       size_t size)
{
	ssize_t n;

	if (from->backing_id && to->backing_id)
		return -EOPNOTSUPP;
	n = core_shm_copy(&rq->cred, from->fd, offset_from, to->fd, offset_to,
			  size);
	if (n < 0)
		return (int)n;
	(void)fuse_reply_write(rq->req, (size_t)n);
	return 0;
}

static int obj_lseek(const struct fs_request *rq, struct fs_handle *handle,
		     off_t offset, int whence)
{
	off_t r = lseek(handle->fd, offset, whence);

	if (r < 0)
		return -errno;
	(void)fuse_reply_lseek(rq->req, r);
	return 0;
}

/*
 * A request to set a lock. Linux doesn't notify anybody when a process outside
 * the mount releases a lock. So the request is retried from time to time, and
 * at once when a lock is released through the mount.
 */
struct lock {
	struct fs_waiting base;
	struct core_wait_source *source;
	struct shm_handle *handle;
	int operation; /* of flock(2); 0: a record lock */
	uint64_t owner;
	struct flock range;
	/* For the descriptor that an owner's first lock needs; or NULL. */
	struct core_lock_charge *charge;
	bool tried;
};

static void lock_free(struct lock *lock)
{
	if (lock->source)
		core_wait_close(lock->source);
	fs_node_lock_charge_free(lock->charge);
	free(lock);
}

/* A worker makes the first attempt, the wait thread all other attempts. */
static int lock_attempt(struct core_waiter *waiter)
{
	struct lock *lock = (struct lock *)waiter;
	struct fs_handle *handle = &lock->handle->base;
	const bool is_first = !lock->tried;

	lock->tried = true;
	lock->handle->locked = true;
	if (lock->operation)
		return flock(handle->fd, lock->operation | LOCK_NB) < 0 ? -errno
									: 0;
	return core_locks_set(&handle->node->locks, lock->owner, handle,
			      handle->fd, &lock->range, is_first,
			      lock->charge ? &lock->charge : NULL);
}

static void lock_done(struct core_waiter *waiter, int result)
{
	struct lock *lock = (struct lock *)waiter;

	fs_waiting_finish(&lock->base);
	(void)fuse_reply_err(lock->base.req, -result);
	lock_free(lock);
}

/*
 * Sets a lock. model: the handle, and which lock. The kernel sends lock
 * requests on a read-only mount as well. A read-only mount refuses locks, which
 * would block other users of the object.
 */
static int set_lock(const struct fs_request *rq, const struct lock *model,
		    bool sleep)
{
	const bool excludes =
		model->operation == LOCK_EX || model->range.l_type == F_WRLCK;
	struct lock *lock;
	int r;

	if (rq->fs->read_only)
		return -EROFS;
	lock = malloc(sizeof(*lock));
	if (!lock)
		return -ENOMEM;
	*lock = *model;
	lock->base.waiter.attempt = lock_attempt;
	lock->base.waiter.done = lock_done;
	lock->base.waiter.nowait = sleep ? 0 : -EAGAIN;
	lock->base.req = rq->req;
	/* Without a charge an owner that has locks already can still lock. */
	if (!lock->operation && lock->range.l_type != F_UNLCK &&
	    fs_node_check_fd_budget(rq->fs) == 0)
		lock->charge = fs_node_lock_charge_new(rq);
	r = core_wait_open_retry(rq->fs->wait, &lock->source);
	if (r < 0) {
		lock_free(lock);
		return r;
	}
	fs_waiting_submit(&lock->base, rq->fs, rq->caller->uid, lock->source,
			  CORE_WAIT_IN);
	/* The request may have released a part of the owner's locks. */
	if (!excludes)
		core_wait_retry(rq->fs->wait);
	return FS_REPLY_LATER;
}

static int obj_setlk(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *range, bool sleep)
{
	struct lock model = { .handle = (struct shm_handle *)handle,
			      .owner = owner,
			      .range = *range };

	return set_lock(rq, &model, sleep);
}

static int obj_flock(const struct fs_request *rq, struct fs_handle *handle,
		     int operation)
{
	struct lock model = { .handle = (struct shm_handle *)handle,
			      .operation = operation & ~LOCK_NB };

	return set_lock(rq, &model, !(operation & LOCK_NB));
}

static int obj_getlk(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner, const struct flock *lock_)
{
	struct flock found = *lock_;
	int r = core_locks_get(&handle->node->locks, owner, handle->fd, &found);

	if (r < 0)
		return r;
	(void)fuse_reply_lock(rq->req, &found);
	return 0;
}

static int obj_flush(const struct fs_request *rq, struct fs_handle *handle,
		     uint64_t owner)
{
	if (core_locks_unlock_owner(&handle->node->locks, owner))
		core_wait_retry(rq->fs->wait);
	(void)fuse_reply_err(rq->req, 0);
	return 0;
}

static int shm_statfs(const struct fs_request *rq, struct statvfs *ret)
{
	return core_ipc_dirs_statfs(rq->fs->dirs, ret);
}

static int dir_fd(const struct fs_request *rq)
{
	return rq->fs->dirs->shm_dir;
}

static int dir_unlink(const struct fs_request *rq, const char *name)
{
	return core_shm_unlink(rq->fs->dirs, &rq->cred, name);
}

static int dir_link(const struct fs_request *rq, int fd, const char *name)
{
	return core_file_link(&rq->cred, fd, rq->fs->dirs->shm_dir, name);
}

static int dir_rename(const struct fs_request *rq, const char *name,
		      const char *new_name, unsigned int flags)
{
	return core_shm_rename(rq->fs->dirs, &rq->cred, name, new_name, flags);
}

static const char *dir_listed(const struct fs_request *rq, const char *file)
{
	(void)rq;
	return core_shm_is_object(file) ? file : NULL;
}

static int obj_describe(const struct fs_request *rq, int fd, char *ret,
			size_t size)
{
	struct statx stx;
	int r = core_file_statx(fd, &stx);

	(void)rq;
	return r < 0 ? r
		     : snprintf(ret, size, "size %lld\nallocated %lld\n",
				(long long)stx.stx_size,
				(long long)stx.stx_blocks * 512);
}

static void shm_probe(const struct core_ipc_dirs *dirs, int r)
{
	(void)printf("POSIX shm: %s\n", dirs ? "yes" : strerror(-r));
}

const struct fs_kind fs_shm = {
	.name = "shm",
	.title = "POSIX shared memory objects",
	.probe = shm_probe,
	.describe = obj_describe,
	.dir_fd = dir_fd,
	.listed = dir_listed,
	.statfs = shm_statfs,
	.create = obj_create,
	.create_anonymous = obj_create_anonymous,
	.unlink = dir_unlink,
	.link = dir_link,
	.rename = dir_rename,
	.find = obj_find,
	.clears_setuid = true,
	.inode_attributes = true,
	.truncate = obj_truncate,
	.reopen = obj_reopen,
	.handle_size = sizeof(struct shm_handle),
	.handle_flags = FS_HANDLE_BACKED,
	.release = obj_release,
	.write = obj_write,
	.fallocate = obj_fallocate,
	.copy_file_range = obj_copy_file_range,
	.lseek = obj_lseek,
	.flush = obj_flush,
	.getlk = obj_getlk,
	.setlk = obj_setlk,
	.flock = obj_flock,
};
