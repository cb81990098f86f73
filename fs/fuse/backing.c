/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse has calls for backing files, but they need a request, and there is
 * none when fs_backing_works() runs. They also don't return the reason of a
 * failure. So this file calls the kernel's ioctls itself.
 */
#include "fs/fuse/backing.h"

#include "core/cleanup.h"
#include "core/cred.h"
#include "fs/fuse/protocol.h"

#include <sys/mman.h>

/*
 * The kernel writes to a backing file with the credentials of the thread that
 * registered it. So register as user nobody: with root's credentials, setuid
 * and setgid bits would survive a write by anybody. core_cred_enter_capable()
 * leaves us CAP_SYS_ADMIN, which registering needs.
 */
int fs_backing_open(struct fuse_session *session, int fd, int *ret_id)
{
	static const struct core_cred nobody = { .uid = 65534, .gid = 65534 };
	int32_t map[4] = { fd };
	int r = core_cred_enter_capable(&nobody);

	if (r < 0)
		return r;
	r = ioctl(fuse_session_fd(session), FS_BACKING_OPEN, map);
	if (r < 0)
		r = -errno;
	core_cred_leave(&nobody);
	if (r < 0)
		return r;
	*ret_id = r;
	return 0;
}

void fs_backing_close(struct fuse_session *session, int id)
{
	/*
	 * Ignore the result. If the connection has ended, so has the backing
	 * file; there is no other error.
	 */
	(void)ioctl(fuse_session_fd(session), FS_BACKING_CLOSE, &id);
}

bool fs_backing_works(struct fuse_session *session)
{
	_cleanup_close_ int fd = memfd_create("ipcfs", MFD_CLOEXEC);
	int id;

	if (fd < 0 || fs_backing_open(session, fd, &id) < 0)
		return false;
	fs_backing_close(session, id);
	return true;
}
