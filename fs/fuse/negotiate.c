/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/negotiate.h"

#include "fs/fuse/backing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The kernel cuts requests at max_write, and at a limit of its own in pages. */
static size_t max_request(size_t max_write)
{
	FILE *file = fopen("/proc/sys/fs/fuse/max_pages_limit", "re");
	size_t pages = 256; /* of kernels that don't say */

	if (file) {
		if (fscanf(file, "%zu", &pages) != 1)
			pages = 1;
		(void)fclose(file);
	}
	pages *= (size_t)sysconf(_SC_PAGESIZE);
	return pages < max_write ? pages : max_write;
}

void fs_negotiate(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/* Else ">" would arrive as a change of size, which empties a queue. */
	if (!fuse_set_feature_flag(conn, FUSE_CAP_ATOMIC_O_TRUNC)) {
		fuse_log(FUSE_LOG_ERR, "ipcfs: the kernel's FUSE is too old\n");
		fuse_session_exit(fs->session);
	}
#ifdef FUSE_CAP_OVER_IO_URING
	/* Replies come from other threads, and waiters would use the ring up. */
	fuse_unset_feature_flag(conn, FUSE_CAP_OVER_IO_URING);
#endif
	/* Else who looks a name up holds up, unkillable, all others in there. */
	(void)fuse_set_feature_flag(conn, FUSE_CAP_PARALLEL_DIROPS);
	/*
	 * Every close of a file is one of these, of which few are sent at a time by
	 * default; and so is an asynchronous write, which may wait for ever.
	 */
	conn->max_background = UINT16_MAX;
	fuse_unset_feature_flag(conn, FUSE_CAP_ASYNC_DIO);
	fs->max_write = max_request(conn->max_write);
	/* Bits are cleared by acting as the caller; else each write would ask. */
	(void)fuse_set_feature_flag(conn, FUSE_CAP_HANDLE_KILLPRIV_V2);
	fs->passthrough = fs->passthrough &&
			  fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH);
}

int fs_negotiate_first(struct fuse_session *session, struct fs *fs)
{
	struct fuse_buf buf = { 0 };
	int r = fuse_session_receive_buf(session, &buf);

	if (r > 0) {
		fuse_session_process_buf(session, &buf);
		/* libfuse has no other sign that all went well. */
		r = fs->max_write > 0 && !fuse_session_exited(session)
			    ? 0
			    : -EPROTO;
	}
	free(buf.mem);
	fs->passthrough =
		r == 0 && fs->passthrough && fs_backing_works(session);
	return r;
}
