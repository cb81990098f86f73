/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C library has no call that opens a semaphore in a given directory, and no
 * call that takes n at once. So this module knows the layout of glibc's sem_t
 * (struct new_sem in sysdeps/nptl/internaltypes.h). The layout can't change, as
 * files have it.
 *
 * Another process may cut the file short at any moment, and SIGBUS then kills
 * the process that touches the mapping. So a child touches the mapping. The
 * child has a copy of our memory: before Linux 5.16 a core dump kills all
 * processes that share memory. We ourselves read the value only by read(2).
 */
#include "core/sem.h"

#include "core/child.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/name.h"

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFIX "sem."

/*
 * How often core_sem_open() tries, while other processes create and remove the
 * name.
 */
enum { TRIES = 64 };

/*
 * glibc's semaphore on a 64-bit machine, whatever C library this daemon uses.
 * shared: FUTEX_PRIVATE_FLAG if processes share the semaphore, 0 if only
 * threads do. glibc inverts the flag.
 */
struct semaphore {
	_Atomic uint64_t data; /* the value, and in the high half the waiters */
	int32_t shared;
	char rest[20];
};

static const bool is_known = sizeof(long) == sizeof(uint64_t);
#if defined(__GLIBC__) && defined(__LP64__)
static_assert(sizeof(sem_t) == sizeof(struct semaphore), "the size of sem_t");
#endif

const char *core_sem_name(const char *file_name)
{
	const char *name = file_name + strlen(PREFIX);

	return strncmp(file_name, PREFIX, strlen(PREFIX)) == 0 &&
			       core_name_check(name) == 0
		       ? name
		       : NULL;
}

/* ret: the file's name. */
static int file_name(const char *name, char ret[static NAME_MAX + 1])
{
	int r = core_name_check(name);

	if (r == 0 && snprintf(ret, NAME_MAX + 1, PREFIX "%s", name) > NAME_MAX)
		r = -ENAMETOOLONG;
	return r;
}

int core_sem_find(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, ino_t ino,
		  int *ret_fd)
{
	char file[NAME_MAX + 1];
	int r = file_name(name, file);

	return r < 0 ? r
		     : core_file_find(dirs->shm_dir, cred, file, ino, ret_fd);
}

int core_sem_reopen(const struct core_cred *cred, int fd, int flags,
		    int *ret_fd)
{
	bool reads = (flags & O_ACCMODE) == O_RDONLY;

	return core_file_reopen(cred, fd, reads ? O_RDONLY : O_RDWR, ret_fd);
}

/*
 * Other processes must not see a semaphore that isn't initialized. So, as in
 * sem_open(3), the file gets its name last.
 */
static int create(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *file, mode_t mode,
		  int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	const struct semaphore new = { .shared = FUTEX_PRIVATE_FLAG };
	int r;

	if (!is_known)
		return -EOPNOTSUPP;
	r = core_file_open_name(dirs->shm_dir, cred, ".", O_TMPFILE | O_RDWR,
				mode, &fd);
	if (r < 0)
		return r;
	if (write(fd, &new, sizeof(new)) != (ssize_t)sizeof(new))
		return -errno;
	r = core_file_link(cred, fd, dirs->shm_dir, file);
	if (r == 0)
		*ret_fd = core_steal_fd(&fd);
	return r;
}

int core_sem_open(const struct core_ipc_dirs *dirs,
		  const struct core_cred *cred, const char *name, int flags,
		  mode_t mode, int *ret_fd)
{
	char file[NAME_MAX + 1];
	int r = file_name(name, file);

	for (int i = 0; r == 0 && i < TRIES; i++) {
		_cleanup_close_ int found = -1;

		if (!(flags & O_CREAT) || !(flags & O_EXCL)) {
			r = core_file_find(dirs->shm_dir, cred, file, 0,
					   &found);
			if (r == 0)
				return core_sem_reopen(cred, found, flags,
						       ret_fd);
			if (r != -ENOENT || !(flags & O_CREAT))
				return r;
		}
		r = create(dirs, cred, file, mode, ret_fd);
		if (r != -EEXIST || (flags & O_EXCL))
			return r;
		r = 0;
	}
	return r < 0 ? r : -ENOENT;
}

int core_sem_unlink(const struct core_ipc_dirs *dirs,
		    const struct core_cred *cred, const char *name)
{
	char file[NAME_MAX + 1];
	int r = file_name(name, file);

	return r < 0 ? r : CORE_CRED_AS(cred, unlinkat(dirs->shm_dir, file, 0));
}

int core_sem_get(int fd, struct core_sem_info *ret)
{
	struct stat st;
	uint64_t data;

	if (!is_known || fstat(fd, &st) < 0 ||
	    st.st_size != sizeof(struct semaphore) ||
	    pread(fd, &data, sizeof(data), 0) != (ssize_t)sizeof(data))
		return -EOPNOTSUPP;
	*ret = (struct core_sem_info){ .value = (uint32_t)data,
				       .waiters = (uint32_t)(data >> 32) };
	return 0;
}

struct change {
	struct semaphore *semaphore; /* mapped */
	enum core_sem_change change;
	uint32_t n;
};

/* Returns the new value, or -errno. */
CORE_IN_CHILD static int64_t changed(const struct change *change,
				     uint32_t value)
{
	switch (change->change) {
	case CORE_SEM_POST:
		return change->n <= SEM_VALUE_MAX - MIN(value, SEM_VALUE_MAX)
			       ? (int64_t)value + change->n
			       : -EOVERFLOW;
	case CORE_SEM_TAKE:
		return value >= change->n ? (int64_t)value - change->n
					  : -EAGAIN;
	case CORE_SEM_SET:
		break;
	}
	return change->n;
}

/* futex(2) wants the address of the half that is the value. */
CORE_IN_CHILD static int do_change(void *arg)
{
	const struct change *change = arg;
	_Atomic uint64_t *data = &change->semaphore->data;
	uint64_t old, new;
	int64_t value;

	(void)syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	old = atomic_load(data);
	do {
		value = changed(change, (uint32_t)old);
		if (value < 0)
			return (int)value;
		new = (old & ~(uint64_t)UINT32_MAX) | (uint64_t)value;
	} while (!atomic_compare_exchange_weak(data, &old, new));
	if (new > old && old >> 32 > 0)
		(void)syscall(SYS_futex,
			      (char *)data +
				      (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0),
			      FUTEX_WAKE, (int)MIN(new - old, INT_MAX), NULL,
			      NULL, 0);
	return 0;
}

int core_sem_change(int fd, enum core_sem_change change, unsigned int n)
{
	struct change arg = { .change = change, .n = n };
	struct core_sem_info info;
	int r = core_sem_get(fd, &info);
	void *memory;

	if (r < 0)
		return r;
	/* An attempt that must wait costs no child. */
	if (change == CORE_SEM_TAKE && info.value < n)
		return -EAGAIN;
	memory = mmap(NULL, sizeof(struct semaphore), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	arg.semaphore = memory;
	r = core_child_run(&(struct core_child){ .group = -1,
						 .copy = true,
						 .fd = -1,
						 .fn = do_change,
						 .arg = &arg });
	(void)munmap(memory, sizeof(struct semaphore));
	/* Killed: the file was cut short. */
	return r == -EINTR ? -EOPNOTSUPP : r;
}
