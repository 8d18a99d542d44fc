# shellcheck shell=bash
# Ways to break a slot, each with its way back. They refuse to know what
# is running when they strike. 'lab reset' undoes all of them.

lab_registry() {
    slot_must_exist "${1:-}"
    case ${2:-} in
    stop) docker exec "$(slot_registry "$1")" lab-registry stop ;;
    start)
        registry_switch_on "$1"
        wait_until 30 "the registry of slot $1" registry_answers "$1"
        ;;
    *) die "say 'lab registry $1 stop' or 'lab registry $1 start'" ;;
    esac
}

lab_server() {
    slot_must_exist "${1:-}"
    case ${2:-} in
    kill | stop) docker "$2" "$(slot_server "$1")" >/dev/null ;;
    start)
        docker start "$(slot_server "$1")" >/dev/null
        wait_until 60 "the engine of slot $1" docker exec "$(slot_server "$1")" docker version
        wait_until 30 "the SSH server of slot $1" port_answers "$(network_ssh_port "$1")" SSH-2.0
        ;;
    *) die "say 'lab server $1 kill', 'stop' or 'start'" ;;
    esac
}

lab_dockerd() {
    slot_must_exist "${1:-}"
    case ${2:-} in
    kill | stop | start | roomy) docker exec "$(slot_server "$1")" lab-dockerd "$2" ;;
    cramp)
        [[ ${3:-} =~ ^[0-9]+m$ ]] || die "how much room is left? say for example 'lab dockerd $1 cramp 60m'"
        docker exec "$(slot_server "$1")" lab-dockerd cramp "$3"
        ;;
    *) die "say 'lab dockerd $1 kill', 'stop', 'start', 'cramp 60m' or 'roomy'" ;;
    esac
}

# lab_cut SLOT [reject|drop]: at once refused, or never answered.
lab_cut() {
    slot_must_exist "${1:-}"
    local target
    case ${2:-reject} in
    reject) target=REJECT ;;
    drop) target=DROP ;;
    *) die "a cut is 'reject' or 'drop', not '$2'" ;;
    esac
    docker exec "$(slot_server "$1")" sh -c '
        set -e
        iptables -N LANDFALL-LAB 2>/dev/null || iptables -F LANDFALL-LAB
        iptables -C OUTPUT -j LANDFALL-LAB 2>/dev/null || iptables -I OUTPUT -j LANDFALL-LAB
        iptables -A LANDFALL-LAB -d "$1" -p tcp --dport 5000 -j "$2"' \
        sh "$(network_registry "$(network_number "$1")")" "$target"
}

lab_mend() {
    slot_must_exist "${1:-}"
    docker exec "$(slot_server "$1")" sh -c 'iptables -F LANDFALL-LAB 2>/dev/null || true'
}

# lab_small SLOT DIR SIZE [INODES]: a disk of its own, owned as DIR was.
lab_small() {
    local slot=${1:-} dir=${2:-} size=${3:-} inodes=${4:-0}
    slot_must_exist "$slot"
    [[ $dir == /srv/* || $dir == /mnt/* ]] || die "a small disk is mounted below /srv or /mnt, not at '$dir'"
    [[ -n $size ]] || die "how small? say for example 'lab small $slot $dir 2m'"
    docker exec "$(slot_server "$slot")" sh -ec '
        [ -d "$1" ] || install -d -o deploy -g deploy "$1"
        mount -t tmpfs -o "size=$2,nr_inodes=$3,mode=$(stat -c %a "$1"),uid=$(stat -c %u "$1"),gid=$(stat -c %g "$1")" small "$1"' \
        sh "$dir" "$size" "$inodes"
}

# It refuses to fill anything but a small disk.
lab_fill() {
    slot_must_exist "${1:-}"
    docker exec "$(slot_server "$1")" sh -c '
        awk -v at="$1" "\$2 == at && \$1 == \"small\" {found = 1} END {exit !found}" /proc/mounts || exit 3
        cat /dev/zero > "$1/.filled" 2>/dev/null
        exit 0' sh "${2:-}" ||
        die "'${2:-}' is no small disk; mount one with 'lab small $1 DIR SIZE' first"
}
