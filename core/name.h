/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * name: which file names are names of objects.
 *
 * POSIX names an object "/NAME"; on Linux NAME is a file name in the directory
 * of the objects of its kind. So an entry name is the object's name without the
 * slash, byte for byte. There is no encoding: spaces, newlines and bytes that
 * are not UTF-8 are allowed and not changed.
 */
#ifndef CORE_NAME_H
#define CORE_NAME_H

/*
 * Checks an entry name.
 *
 * Returns 0, or
 *   -EINVAL        the name is empty, "." or "..", or contains a slash
 *   -ENAMETOOLONG  the name is longer than NAME_MAX (255) bytes
 *
 * Source: shm_overview(7), mq_overview(7).
 */
int core_name_check(const char *name);

#endif
