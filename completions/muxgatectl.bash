# bash completion of muxgatectl: commands, options, and what the running muxgate has: servers, sessions.
# shellcheck shell=bash

# The words after COMMAND's name in the table that the gateway answers with; nothing where none runs.
_muxgatectl_first_column()
{
    local socket=() i
    for ((i = 1; i < COMP_CWORD - 1; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) socket=(-s "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    "${COMP_WORDS[0]}" "${socket[@]}" "$@" 2>/dev/null | awk 'NF == 0 { exit } NR > 1 { print $1 }'
}

# The command that stands before the word at hand, and how many words follow it so far.
_muxgatectl_find_command()
{
    local i
    command='' follows=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | -d | -n | --generation | --contains | --limit | --confirm) i=$((i + 1)) ;;
        -*) ;;
        *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else follows=$((follows + 1)); fi ;;
        esac
    done
}

_muxgatectl_words()
{
    case $1,$2 in
    ,*) echo status sessions pools certs ledger unknown drain ready maint weight kill reload confirm top ;;
    drain,0 | ready,0 | maint,0 | weight,0) _muxgatectl_first_column pools ;;
    kill,0) _muxgatectl_first_column sessions ;;
    esac
}

_muxgatectl_options()
{
    echo --socket --json --help --version
    case $1 in
    sessions) echo --generation --contains --limit ;;
    ledger) echo --plain ;;
    reload) echo --confirm --dry-run --limit ;;
    top) echo -d -n ;;
    esac
}

# COMP_WORDS are split at colons, of which addresses have some: they are put together again first, and
# what readline takes for the beginning of the word is cut from the answers.
_muxgatectl()
{
    local line words=() command follows word beginning
    line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    case $line in
    *[[:space:]]) words+=('') ;;
    esac
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    word=${words[COMP_CWORD]}
    COMPREPLY=()
    case ${words[COMP_CWORD - 1]} in
    -s | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    -d | -n | --generation | --contains | --limit | --confirm) return ;;
    esac
    _muxgatectl_find_command
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(_muxgatectl_options "$command")" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_muxgatectl_words "$command" "$follows")" -- "$word") ;;
    esac
    case $word,$COMP_WORDBREAKS in
    *:*,*:*)
        beginning=${word%"${word##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$beginning"}")
        ;;
    esac
}

complete -F _muxgatectl muxgatectl
