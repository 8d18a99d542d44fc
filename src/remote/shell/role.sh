# shellcheck shell=sh disable=SC2154
# Runs a script as whom the agent would act, except that nothing is made to find that out.
# Given: state directory, deploy directory, whether sudo may be used, the script.
as=;
need=no;
if [ "$3" = always ]; then need=yes; fi;
if [ "$3" = auto ]; then
    if [ -z "$own" ] && [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then need=yes; fi;
    if [ -e "$1" ] && ! [ -O "$1" ]; then need=yes; fi;
    place=$1/bin;
    while ! [ -e "$place" ] && ! [ -L "$place" ]; do place=$(dirname "$place"); done;
    [ -d "$place" ] && [ -w "$place" ] && [ -d "$2" ] || need=yes;
fi;
if [ "$(id -u)" = 0 ]; then need=no; fi;
if [ $need = yes ]; then
    if sudo -n true 2>/dev/null; then
        as="sudo -n --";
    elif [ "$3" = always ]; then
        echo "sudo asks for a password, or refuses" >&2;
        exit 1;
    fi;
fi;
exec $as sh -c "$4"
