# shellcheck shell=sh disable=SC2154
# Root's first process: looks at the way once more, opens the agent, checks what it has opened, and
# becomes that, whatever lies at its path by then. It is put behind way.sh.
# Given: state directory, login user, their own group, the agent's file name, its digest, its words.
state=$1;
user=$2;
group=$3;
name=$4;
sum=$5;
shift 5;
odd() {
    echo "$2 is not safe to run anything from as root: $1" >&2;
    exit 8;
};
set -f;
LC_ALL=C;
export LC_ALL;
way "$state/bin/$name";
exec 3< "$state/bin/$name" || exit 1;
set -- "$(sha256sum <&3)" "$@";
if [ "${1%% *}" != "$sum" ]; then
    echo "$state/bin/$name is not the agent that was put there" >&2;
    exit 1;
fi;
shift;
LANDFALL_RULERS=$user:$group;
export LANDFALL_RULERS;
exec /proc/self/fd/3 "$@"
