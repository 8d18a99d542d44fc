# shellcheck shell=sh disable=SC2046,SC2154
# Whether somebody else rules over a path: could put something else in its place.
# Set before: user and group, the login's own; odd, which is given what is wrong and where.
safe() {
    [ -e "$1" ] || [ -L "$1" ] || return 0;
    set -- "$1" $(ls -ldn "$1" 2>/dev/null);
    case $4 in
        0|"$user") ;;
        *) odd stranger "$1" ;;
    esac;
    case $2 in
        l*) ;;
        ????????w[!tT]*) odd writable "$1" ;;
        ?????w???[!tT]+) named "$1" || odd writable "$1" ;;
        ?????w???[!tT]*) [ "$5" = 0 ] || [ "$5" = "$group" ] || odd writable "$1" ;;
    esac;
};
# Whether an access list lets nobody else write; what cannot be read lets everybody.
named() {
    set -- "$1" "$(getfacl -cnp "$1" 2>/dev/null)" $(ls -ldn "$1" 2>/dev/null);
    if [ -z "$2" ]; then return 1; fi;
    case $6 in
        0|"$group") own= ;;
        *) own="|group:" ;;
    esac;
    ! printf "%s\n" "$2" | grep -E "^(user:[0-9]+|group:[0-9]+$own):.w" | grep -qvE "^(user:(0|$user)|group:(0|$group)):";
};
# Every directory on the way to a path, and every link, from the root on: below one that nobody else
# rules over, the next cannot be changed for another by anybody else.
way() {
    rest=$1/;
    at=;
    hops=40;
    safe /;
    while [ -n "$rest" ]; do
        part=${rest%%/*};
        rest=${rest#*/};
        case $part in
            ""|.) continue ;;
            ..) at=${at%/*}; continue ;;
        esac;
        [ -e "$at/$part" ] || [ -L "$at/$part" ] || return 0;
        safe "$at/$part";
        if [ -L "$at/$part" ]; then
            hops=$((hops - 1));
            if [ $hops = 0 ]; then odd stranger "$at/$part"; fi;
            to=$(readlink "$at/$part");
            case $to in
                /*) at= ;;
            esac;
            rest=$to/$rest;
        else
            at=$at/$part;
        fi;
    done;
};
