/* SPDX-License-Identifier: BSD-3-Clause */
/* root: the one list of kinds, and the directory that shows them. */
#ifndef FS_ROOT_H
#define FS_ROOT_H

#include "fs/kinds/view.h"

/* The most kinds that the list may have. */
#define FS_KINDS_MAX 8

/* Ends with NULL. */
extern const struct fs_kind *const fs_kinds[];

/* The view of each kind's plain directory, in the order of the list. */
struct fs_root_view {
	struct fs_view plain[FS_KINDS_MAX];
};

/* The kind of the root, whose view is a struct fs_root_view. */
extern const struct fs_kind fs_root;

/*
 * Adds an option of the command line to the plain view of the first kind that
 * has the option, among the kinds with mount_options. Returns as
 * fs_view_add_option(); 1 means that no such kind has the option.
 */
int fs_root_add_option(struct fs_root_view *view, const char *word);

#endif
