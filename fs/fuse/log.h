/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log: rate-limited warnings. Users can trigger these errors as often as they
 * like, so at most 50 a minute are logged.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

/*
 * Logs a warning: "ipcfs: ", the text, and a newline. The text is cut at 511
 * bytes. Any thread may call this.
 */
void fs_log_ratelimited(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/*
 * Makes a user's text fit for the log, in place: each byte that isn't printable
 * ASCII, such as a newline or a terminal's control code, becomes "?".
 */
void fs_log_make_printable(char *text);

#endif
