# SPDX-License-Identifier: BSD-3-Clause
# Completion of qdad for bash.

_qdad()
{
	local cur=${COMP_WORDS[COMP_CWORD]}

	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--config | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--modules) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	--ready-fd) COMPREPLY=() ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W '--user --config --socket --modules --ready-fd
			--check-config --help --version' -- "$cur")
		;;
	esac
}

complete -o filenames -F _qdad qdad
