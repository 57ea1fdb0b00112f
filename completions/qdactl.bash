# SPDX-License-Identifier: BSD-3-Clause
# Completion of qdactl for bash.

# Domains that a broker has; quick, and nothing when there is none.
_qdactl_domains()
{
	qdactl list --json 2>/dev/null |
		sed -n '/"domains"/,/\]/s/^ *"name": *"\([A-Za-z0-9_-]*\)".*/\1/p'
}

# Numbers of the clients or sessions that may be seen: $1 is clients or sessions.
_qdactl_ids()
{
	qdactl list --json 2>/dev/null | sed -n '/"'"$1"'"/,/\]/s/^ *"id": *\([0-9]*\).*/\1/p'
}

# The first word from $1 on that is no option and no option's value, or nothing.
_qdactl_word()
{
	local i

	for ((i = $1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ((i++)) ;;
		-*) ;;
		*)
			echo "$i"
			return
			;;
		esac
	done
}

_qdactl_options()
{
	local common='--json --socket --help'

	case $1 in
	top) echo "$common --once --delay --sort --user" ;;
	invoke) echo "$common --domain --timeout --modules --quiet" ;;
	run) echo "$common --modules" ;;
	quota) echo "$common --all --user --rule --client" ;;
	policy) echo "$common --action --user --group --unit --domain --kind --module" ;;
	*) echo "$common" ;;
	esac
}

# The value of an option. False: it has none.
_qdactl_value()
{
	local cur=$3

	case $1:$2 in
	*:--socket) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	invoke:--modules | invoke:-m | run:--modules | run:-m)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	invoke:--domain | invoke:-d | policy:--domain)
		mapfile -t COMPREPLY < <(compgen -W "$(_qdactl_domains)" -- "$cur")
		;;
	top:--user | quota:--user | policy:--user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	policy:--group) mapfile -t COMPREPLY < <(compgen -g -- "$cur") ;;
	policy:--kind) mapfile -t COMPREPLY < <(compgen -W 'unsigned privileged' -- "$cur") ;;
	policy:--action)
		mapfile -t COMPREPLY < <(compgen -W \
			'use session module dirs urgent parked status reload quota kill' -- "$cur")
		;;
	top:--sort)
		mapfile -t COMPREPLY < <(compgen -W 'share calls memory refused id' -- "$cur")
		;;
	quota:--client) mapfile -t COMPREPLY < <(compgen -W "$(_qdactl_ids clients)" -- "$cur") ;;
	top:--delay | quota:--rule | policy:--unit | policy:--module | invoke:--timeout | invoke:-t) ;;
	*) return 1 ;;
	esac
}

_qdactl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at verb words

	COMPREPLY=()
	at=$(_qdactl_word 1)
	verb=${at:+${COMP_WORDS[at]}}
	_qdactl_value "$verb" "$prev" "$cur" && return
	if [[ -z $verb ]]; then
		words='list status health invoke run explain top quota kill monitor policy reload'
		[[ $cur == -* ]] && words='--json --socket --help --version'
	elif [[ $cur == -* ]]; then
		words=$(_qdactl_options "$verb")
	elif [[ $verb == kill && $prev == kill ]]; then
		words='client session'
	elif [[ $verb == kill && $prev == @(client|session) ]]; then
		words=$(_qdactl_ids "${prev}s")
	elif [[ $verb == policy && $prev == policy ]]; then
		words=check
	elif [[ $verb == quota && $prev == quota ]]; then
		words=set
	elif [[ $verb == quota && $prev == set ]]; then
		words=total
	elif [[ $verb == run ]]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -o filenames -F _qdactl qdactl
