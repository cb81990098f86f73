/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request: what the kernel asks, from its arrival to its one reply, and
 * everything that must be freed after the reply.
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
	/* The process that asks. libfuse frees this with the reply. */
	const struct fuse_ctx *caller;
	struct core_cred cred;	    /* the user to act as */
	struct fs_node *node;	    /* the request is for this node */
	const struct fs_kind *kind; /* of the node */
	const void *view;	    /* of the node: see struct fs_kind */
	struct fs_charge charge;    /* for the handle to be opened */
	gid_t *groups;		    /* of cred; fs_request_end() frees them */
};

/*
 * Begins a request that needs no check of rights, or whose rights the open has
 * checked. cred has the caller's user and group, without supplementary groups
 * and without capabilities. id: the node. name: a name that is part of the
 * request, for -d; or NULL.
 */
struct fs_request fs_request_begin(fuse_req_t req, fuse_ino_t id,
				   const char *name);

/*
 * Begins a request whose rights must be checked: fs_request_begin(), then
 * fs_request_act_as_caller().
 */
struct fs_request fs_request_begin_as_caller(fuse_req_t req, fuse_ino_t id,
					     const char *name);

/*
 * Lets the request act as the caller. A daemon without privileges acts as
 * itself or not at all, so it doesn't need the caller's groups and
 * capabilities. If the caller's rights can't be read, cred.error is set, and
 * each call as cred fails with this error.
 */
void fs_request_act_as_caller(struct fs_request *rq);

/*
 * Charges the caller of a request that opens a file. Returns 0, -EMFILE (the
 * caller has as many open files as allowed) or -ENOMEM.
 */
int fs_request_charge_handle(struct fs_request *rq);

/*
 * Ends a request with the result of its slot: sends an error as the reply,
 * releases the charge if no handle owns it, and frees the groups.
 */
void fs_request_end(struct fs_request *rq, int result);

/*
 * Ends a request whose slot doesn't reply: replies with the error, or with 0.
 * The rest is as for fs_request_end().
 */
void fs_request_end_with_status(struct fs_request *rq, int result);

#endif
