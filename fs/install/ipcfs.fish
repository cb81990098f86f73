# SPDX-License-Identifier: BSD-3-Clause
complete -c ipcfs -f -a '(__fish_complete_directories)'
complete -c ipcfs -s d -d 'Print each request'
complete -c ipcfs -s f -d 'Stay in the foreground'
complete -c ipcfs -s h -l help -d 'Print a summary'
complete -c ipcfs -s r -d 'Inspect only'
complete -c ipcfs -s V -l version -d 'Print versions, and what works here'
complete -c ipcfs -s o -x -a '(__fish_append , allow_other debug drain follow info lines max_user_handles= max_user_waiting= maxmsg= msgsize= nopassthrough peek prefix priority= ro rw target= timeout=)' -d 'Options'
