/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request: what the kernel asks, from its arrival to its one reply, and what has to
 * be freed after it.
 */
#ifndef FS_REQUEST_H
#define FS_REQUEST_H

#include "core/cred.h"
#include "fs/fuse/charge.h"

#include <fuse_lowlevel.h>

struct fs;
struct fs_kind;
struct fs_node;

struct fs_request {
	struct fs *fs;
	fuse_req_t req;
	/* Who asks, and is charged; libfuse frees it with the reply. */
	const struct fuse_ctx *caller;
	struct core_cred cred;	    /* whom to act as */
	struct fs_node *node;	    /* that it is for */
	const struct fs_kind *kind; /* of the node */
	const void *view;	    /* of the node: see struct fs_kind */
	struct fs_charge charge;    /* for the handle that it opens */
	gid_t *groups;		    /* of cred; for free(3) */
};

/*
 * Begins a request in which no rights are checked, or were by open. cred has the
 * caller's user and group, without other groups and without capabilities.
 * id: the node. name: a name that is part of the request, for -d; or NULL.
 */
struct fs_request fs_request_begin(fuse_req_t req, fuse_ino_t id,
				   const char *name);

/* Begins a request in which rights count. */
struct fs_request fs_request_begin_as_caller(fuse_req_t req, fuse_ino_t id,
					     const char *name);

/*
 * Lets the request act as the caller. A daemon without privileges acts as itself or
 * not at all, so it doesn't need the caller's groups and capabilities.
 */
void fs_request_act_as_caller(struct fs_request *rq);

/*
 * For a request that opens a file: charges the caller with it. Returns 0, -EMFILE
 * (the caller has as many as allowed) or -ENOMEM.
 */
int fs_request_take_handle(struct fs_request *rq);

/* Ends a request with what its slot returned: an error is the reply. */
void fs_request_end(struct fs_request *rq, int result);

/* Ends a request whose slot leaves the reply, an empty one, to be made here. */
void fs_request_end_with_status(struct fs_request *rq, int result);

#endif
