/* SPDX-License-Identifier: BSD-3-Clause */
#include "fs/fuse/negotiate.h"

#include "fs/fuse/backing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Returns the most bytes of one write: the kernel cuts writes at max_write, and
 * at a limit of its own, which is in pages.
 */
static size_t max_request(size_t max_write)
{
	FILE *file = fopen("/proc/sys/fs/fuse/max_pages_limit", "re");
	size_t pages = 256; /* of kernels without this file */

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

	/*
	 * Without ATOMIC_O_TRUNC a shell's ">" would arrive as a change of
	 * size, which empties a queue. With HANDLE_KILLPRIV_V2 the kernel says
	 * which writes must clear setuid and setgid bits, and the dispatcher
	 * makes these writes as the caller, which clears the bits. Otherwise
	 * the bits would survive a write by another user, and the kernel would
	 * ask for security.capability before each write.
	 */
	if (!fuse_set_feature_flag(conn, FUSE_CAP_ATOMIC_O_TRUNC) ||
	    !fuse_set_feature_flag(conn, FUSE_CAP_HANDLE_KILLPRIV_V2)) {
		fuse_log(FUSE_LOG_ERR, "ipcfs: the kernel's FUSE is too old: "
				       "Linux 5.11 or later is needed\n");
		fuse_session_exit(fs->session);
	}
#ifdef FUSE_CAP_OVER_IO_URING
	/*
	 * No io_uring: other threads send replies, and waiting requests would
	 * use the ring up.
	 */
	fuse_unset_feature_flag(conn, FUSE_CAP_OVER_IO_URING);
#endif
	/*
	 * Otherwise the kernel holds the directory's lock during each lookup,
	 * and other lookups in it block uninterruptibly.
	 */
	(void)fuse_set_feature_flag(conn, FUSE_CAP_PARALLEL_DIROPS);
	/*
	 * Each RELEASE is a background request. By default the kernel sends
	 * only a few background requests at a time. An asynchronous write is a
	 * background request too, and may wait for ever, so don't let the
	 * kernel send writes asynchronously.
	 */
	conn->max_background = UINT16_MAX;
	fuse_unset_feature_flag(conn, FUSE_CAP_ASYNC_DIO);
	fs->max_write = max_request(conn->max_write);
	fs->passthrough = fs->passthrough &&
			  fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH);
}

int fs_negotiate_first(struct fuse_session *session, struct fs *fs)
{
	struct fuse_buf buf = { 0 };
	int r = fuse_session_receive_buf(session, &buf);

	if (r > 0) {
		fuse_session_process_buf(session, &buf);
		/* libfuse has no other sign of success. */
		r = fs->max_write > 0 && !fuse_session_exited(session)
			    ? 0
			    : -EPROTO;
	}
	free(buf.mem);
	fs->passthrough =
		r == 0 && fs->passthrough && fs_backing_works(session);
	return r;
}
