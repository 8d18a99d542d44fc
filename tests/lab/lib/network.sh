# shellcheck shell=bash
# Addresses and ports of a slot. Every slot has a number; its network is
# 10.213.NUMBER.0/24 and its ports on loopback are the 20 from
# 21000 + 20 * NUMBER, so that they stay the same when a server is switched
# off and on. It refuses to know what listens there.

network_name() { echo "landfall-lab-$1"; }
network_base() { echo $((21000 + 20 * $1)); }
network_server() { echo "10.213.$1.2"; }
network_registry() { echo "10.213.$1.3"; }

# network_number SLOT: prints the slot's number, or nothing.
network_number() {
    docker network inspect --format '{{index .Labels "landfall.lab.number"}}' "$(network_name "$1")" 2>/dev/null || true
}

# network_create SLOT: takes the first number that nobody uses.
network_create() {
    local number
    for number in {1..250}; do
        network_ports_free "$number" || continue
        docker network create --subnet "10.213.$number.0/24" --label landfall.lab=1 \
            --label "landfall.lab.slot=$1" --label "landfall.lab.number=$number" \
            "$(network_name "$1")" >/dev/null 2>>"$LAB_STATE/network.log" && return
    done
    die "no network could be made for slot '$1': $(tail -n 1 "$LAB_STATE/network.log"); remove slots with 'lab down'"
}

network_ports_free() {
    local first
    first=$(network_base "$1")
    [[ -z $(ss -Hltn "sport >= :$first and sport < :$((first + 20))") ]]
}
