/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A FUSE server that does the least work for a write and a read: a directory in
 * which every name is a file. The server replies at once to each write, and
 * with 64 bytes to each read. The arguments are libfuse's.
 */
#define FUSE_USE_VERSION 317

#include <errno.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>

static const struct stat directory = { .st_mode = S_IFDIR | 0755,
				       .st_nlink = 2 };
static const struct stat file = { .st_mode = S_IFREG | 0644, .st_nlink = 1 };

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = 2, .attr = file };

	(void)parent;
	(void)name;
	(void)fuse_reply_entry(req, &entry);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	(void)fi;
	(void)fuse_reply_attr(req, ino == FUSE_ROOT_ID ? &directory : &file, 0);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fi->parallel_direct_writes = 1;
	fi->noflush = 1;
	(void)fuse_reply_open(req, fi);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	static const char bytes[64];

	(void)ino;
	(void)size;
	(void)offset;
	(void)fi;
	(void)fuse_reply_buf(req, bytes, sizeof(bytes));
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		     size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)ino;
	(void)buf;
	(void)offset;
	(void)fi;
	(void)fuse_reply_write(req, size);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = on_lookup,
	.getattr = on_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc - 1, argv);
	struct fuse_session *session =
		fuse_session_new(&args, &ops, sizeof(ops), NULL);
	int r;

	if (!session || fuse_session_mount(session, argv[argc - 1]) < 0)
		return 1;
	r = fuse_session_loop_mt(session, NULL);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return r != 0;
}
