# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# bash-completion for ipcfs.

_ipcfs() {
	# shellcheck disable=SC2034 # _init_completion sets them
	local cur prev words cword split
	local options='allow_other debug drain follow info lines max_user_handles=
		max_user_waiting= maxmsg= msgsize= nopassthrough peek prefix priority= ro rw target= timeout='

	_init_completion -n = || return
	if [[ $prev == -o ]]; then
		compopt -o nospace
		# Behind the last comma.
		readarray -t COMPREPLY < <(compgen -P "${cur%"${cur##*,}"}" \
			-W "$options" -- "${cur##*,}")
	elif [[ $cur == -* ]]; then
		readarray -t COMPREPLY < <(compgen -W '-d -f -h -o -r -V --help --version' -- "$cur")
	else
		_filedir -d
	fi
} && complete -F _ipcfs ipcfs
