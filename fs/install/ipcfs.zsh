#compdef ipcfs
# SPDX-License-Identifier: BSD-3-Clause
_arguments -s \
	'-d[print each request]' \
	'-f[stay in the foreground]' \
	'(- *)'{-h,--help}'[print a summary]' \
	'-r[inspect only]' \
	'(- *)'{-V,--version}'[print versions, and what works here]' \
	'*-o[options]:option:_values -s , option
		"allow_other[for all users]" "debug[print each request]"
		"drain[an empty queue is the end of file]" "follow[an empty queue always waits]"
		"info[text about each queue]" "lines[a line is a message]"
		"max_user_handles[files that a user may have open]:number"
		"max_user_waiting[requests of a user that may wait]:number"
		"maxmsg[messages in new queues]:number" "msgsize[their size]:number"
		"nopassthrough[move all data through the daemon]"
		"peek[messages are shown and stay]"
		"prefix[messages begin with their priority]"
		"priority[of messages written]:number" "ro[inspect only]" "rw[not ro]"
		"target[whose objects are shown]:process:_pids"
		"timeout[how long a read or write waits]:seconds"' \
	'1:mount point:_directories' '2:mount point:_directories'
