# shellcheck shell=bash
# Words, waits and locks that every part of the laboratory uses.
# It refuses to know what Docker is.

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
    printf 'lab: error: %s\n' "$*" >&2
    exit 1
}

# wait_until SECONDS WHAT COMMAND…: polls until COMMAND succeeds.
wait_until() {
    local seconds=$1 what=$2 deadline=$((SECONDS + $1))
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "waited $seconds s for $what in vain; see 'lab status' and the logs in $LAB_STATE"
        sleep 0.1
    done
}

# hold_lock NAME: one at a time on this machine, until this process ends.
hold_lock() {
    local fd
    mkdir -p /run/lock
    exec {fd}>"/run/lock/landfall-lab-$1.lock"
    flock -w 900 "$fd" || die "another 'lab' has held the lock '$1' for 15 minutes; let it finish or end it"
    LAB_LOCKS="${LAB_LOCKS:-} $fd"
}

# detached LOG COMMAND…: starts COMMAND so that it outlives this script,
# and prints its process ID.
detached() {
    local log=$1 fd
    shift
    (
        for fd in ${LAB_LOCKS:-}; do exec {fd}>&-; done
        exec setsid nohup "$@" >>"$log" 2>&1 </dev/null
    ) >/dev/null &
    echo $!
}

# source_hash PATH…: one word for the contents of files and folders, as far
# as an image is made of them.
source_hash() {
    find "$@" -type f -not -path '*/target/*' -not -name '*.md' -not -name 'compose*.yaml' -print0 | LC_ALL=C sort -z |
        xargs -0 sha256sum | sed "s,$LAB_ROOT/,," | sha256sum | cut -c1-16
}

random_word() { head -c 24 /dev/urandom | base64 -w0 | tr -d '+/='; }

# port_answers PORT TEXT: something on loopback greets with TEXT.
port_answers() {
    local greeting
    exec {probe}<>"/dev/tcp/127.0.0.1/$1" || return 1
    IFS= read -r -t 2 greeting <&"$probe" || true
    exec {probe}>&-
    [[ ${greeting:-} == "$2"* ]]
}
