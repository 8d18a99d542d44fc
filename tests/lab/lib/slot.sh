# shellcheck shell=bash
# A slot: one network, one server, one registry, and the files that say how
# to reach them. It refuses to know what is deployed there.

slot_server() { echo "landfall-lab-$1-server"; }
slot_registry() { echo "landfall-lab-$1-registry"; }

slot_name_ok() {
    [[ ${1:-} =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] ||
        die "'${1:-}' is no name for a slot; take small letters, digits and hyphens"
}

slot_must_exist() {
    slot_name_ok "${1:-}"
    [[ -n $(network_number "$1") ]] || die "there is no slot '$1'; bring it up with 'lab up $1'"
    slot_recall "$1"
}

lab_up() {
    local slot=${1:-} variant=${2:-main}
    slot_name_ok "$slot"
    case $variant in main | newest | compose1 | systemd) ;; *)
        die "there is no variant '$variant'; take main, newest, compose1 or systemd"
        ;;
    esac
    hold_lock "slot-$slot"
    slot_stands "$slot" "$variant" && return
    lab_setup
    slot_make "$slot" "$variant"
}

# slot_stands SLOT VARIANT: everything is there, is made of what it would be
# made of today, and answers.
slot_stands() {
    local slot=$1 variant=$2
    [[ -e $LAB_STATE/$slot/slot.env ]] || return 1
    [[ $(slot_server_facts "$slot") == "$variant $(slot_sources "$variant") true $(slot_env_value "$slot" LAB_SERVER_ID)" ]] &&
        port_answers "$(slot_env_value "$slot" LAB_SSH_PORT)" SSH-2.0 2>/dev/null &&
        docker exec "$(slot_server "$slot")" docker version >/dev/null 2>&1 &&
        registry_answers "$slot" 2>/dev/null &&
        [[ $(cat "$LAB_STATE/$slot/images" 2>/dev/null) == "$(beacon_hash)" ]]
}

# slot_sources VARIANT
slot_sources() {
    local folders=("$LAB_HOME/images/server" "$LAB_HOME/images/registry")
    [[ $1 != systemd ]] || folders+=("$LAB_HOME/images/systemd")
    source_hash "${folders[@]}"
}

# slot_server_facts SLOT: variant, sources, running or not, ID.
slot_server_facts() {
    docker inspect "$(slot_server "$1")" 2>/dev/null --format \
        '{{index .Config.Labels "landfall.lab.variant"}} {{index .Config.Labels "landfall.lab.sources"}} {{.State.Running}} {{.Id}}' || true
}

slot_env_value() { sed -n "s/^$2=//p" "$LAB_STATE/$1/slot.env"; }

slot_make() {
    local slot=$1 variant=$2 there
    there=$(slot_server_facts "$slot")
    if [[ -n ${there// /} && $there != "$variant $(slot_sources "$variant") "* ]]; then
        say "slot $slot was made as another server; making it again"
        slot_remove "$slot"
    fi
    [[ -n $(network_number "$slot") ]] || network_create "$slot"
    slot_recall "$slot"
    slot_secrets "$slot"
    slot_create_registry "$slot"
    slot_run_server "$slot" "$variant"
    registry_authfile "$slot"
    registry_answers "$slot" 2>/dev/null || lab_registry "$slot" start
    registry_push_all "$slot"
    wait_until 60 "the engine of slot $slot" docker exec "$(slot_server "$slot")" docker version
    wait_until 30 "the SSH server of slot $slot" port_answers "$(network_ssh_port "$slot")" SSH-2.0
    slot_write_known_hosts "$slot"
    slot_write_env "$slot" "$variant"
}

network_ssh_port() { network_base "$(network_number "$1")"; }

# slot_recall SLOT: a slot that was made, or made again, from another checkout
# of the repository keeps its secrets in its registry's container.
slot_recall() {
    local kept network
    network=$(docker network inspect --format '{{.Id}}' "$(network_name "$1")")
    [[ $(cat "$LAB_STATE/$1/network" 2>/dev/null) != "$network" ]] || return 0
    rm -rf "${LAB_STATE:?}/$1"
    mkdir -p "$LAB_STATE/$1"
    chmod 700 "$LAB_STATE/$1"
    echo "$network" >"$LAB_STATE/$1/network"
    docker inspect "$(slot_registry "$1")" >/dev/null 2>&1 || return 0
    for kept in registry.password id_ed25519 id_ed25519.pub; do
        docker cp "$(slot_registry "$1"):/lab/$kept" "$LAB_STATE/$1/$kept" >/dev/null 2>&1
    done
    registry_authfile "$1"
}

slot_secrets() {
    local folder=$LAB_STATE/$1
    [[ -e $folder/registry.password ]] || (umask 077 && random_word >"$folder/registry.password")
    [[ -e $folder/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C "landfall-lab-$1" -f "$folder/id_ed25519"
}

slot_labels() {
    printf -- '--label=%s\n' landfall.lab=1 "landfall.lab.slot=$1" "landfall.lab.sources=$(slot_sources "${2:-main}")"
}

slot_create_registry() {
    local slot=$1 name number labels
    name=$(slot_registry "$slot")
    if ! docker inspect "$name" >/dev/null 2>&1; then
        number=$(network_number "$slot")
        mapfile -t labels < <(slot_labels "$slot")
        docker create --name "$name" "${labels[@]}" --network "$(network_name "$slot")" \
            --ip "$(network_registry "$number")" --network-alias registry.lab --stop-timeout 1 \
            --publish "$(registry_address "$slot"):5000" landfall-lab/registry >/dev/null
        tar -C "$LAB_STATE/$slot" -c --owner=0 --group=0 --transform 's,^,lab/,' \
            registry.password id_ed25519 id_ed25519.pub | docker cp - "$name:/" 2>/dev/null
        rm -f "$LAB_STATE/$slot/images"
    fi
}

slot_run_server() {
    local slot=$1 variant=$2 name number base options ports
    name=$(slot_server "$slot")
    if ! docker inspect "$name" >/dev/null 2>&1; then
        number=$(network_number "$slot")
        base=$(network_base "$number")
        mapfile -t options < <(slot_labels "$slot" "$variant" && engine_freedom)
        [[ $variant != systemd ]] || slot_with_systemd
        for ports in 0:22 10:8000 11:8001 12:8002 13:8003 14:8004; do
            options+=(--publish "127.0.0.1:$((base + ${ports%:*})):${ports#*:}")
        done
        docker volume create --label landfall.lab=1 --label "landfall.lab.slot=$slot" "landfall-lab-$slot-docker" >/dev/null
        docker create --name "$name" --hostname "$slot" "${options[@]}" --label "landfall.lab.variant=$variant" \
            --network "$(network_name "$slot")" --ip "$(network_server "$number")" --network-alias server.lab \
            --add-host "registry.lab:$(network_registry "$number")" --tmpfs /run:exec,mode=755 --stop-timeout 20 \
            --volume "landfall-lab-$slot-docker:/var/lib/docker" \
            --env "LAB_CLIENT_KEY=$(<"$LAB_STATE/$slot/id_ed25519.pub")" "landfall-lab/server:$variant" >/dev/null
    fi
    docker start "$name" >/dev/null
}

# systemd finds its own branch of the machine's control groups by its path
# there, and needs no right over the machine's clock and kernel.
slot_with_systemd() {
    local option kept=()
    images_systemd
    for option in "${options[@]}"; do
        case $option in
        *=SYS_TIME | *=SYS_BOOT | *=SYS_MODULE | *=WAKE_ALARM | *=BLOCK_SUSPEND) ;;
        *) kept+=("$option") ;;
        esac
    done
    options=("${kept[@]}" --cgroupns=host --tmpfs /run/lock)
}

# The server's keys under the address that is published on loopback, and,
# for clients in the slot's own network, under its name and address there.
slot_write_known_hosts() {
    local slot=$1 folder=$LAB_STATE/$1 number keys
    number=$(network_number "$slot")
    keys=$(docker exec "$(slot_server "$slot")" sh -c 'cut -d" " -f1,2 /etc/ssh/ssh_host_*_key.pub')
    slot_keys_of "[127.0.0.1]:$(network_base "$number")" "$keys" >"$folder/known_hosts"
    slot_keys_of server.lab "$keys" >"$folder/known_hosts.network"
    slot_keys_of "$(network_server "$number")" "$keys" >>"$folder/known_hosts.network"
    ssh-keygen -lf "$folder/known_hosts" | cut -d' ' -f2 >"$folder/fingerprints"
}

# slot_keys_of HOST KEYS: a known_hosts line for each key.
slot_keys_of() { awk -v host="$1" '{print host, $0}' <<<"$2"; }

slot_write_env() {
    local slot=$1 number base folder=$LAB_STATE/$1
    number=$(network_number "$slot")
    base=$(network_base "$number")
    (umask 077 && cat >"$folder/slot.env.part") <<ENV
LAB_SLOT=$slot
LAB_VARIANT=$2
LAB_SSH_HOST=127.0.0.1
LAB_SSH_PORT=$base
LAB_SSH_KEY=$folder/id_ed25519
LAB_KNOWN_HOSTS=$folder/known_hosts
LAB_FINGERPRINTS=$folder/fingerprints
LAB_NETWORK=$(network_name "$slot")
LAB_NETWORK_SSH_HOST=server.lab
LAB_NETWORK_SSH_PORT=22
LAB_NETWORK_KNOWN_HOSTS=$folder/known_hosts.network
LAB_REGISTRY=registry.lab:5000
LAB_REGISTRY_ON_HOST=127.0.0.1:$((base + 1))
LAB_REGISTRY_USER=lab
LAB_REGISTRY_PASSWORD=$(<"$folder/registry.password")
LAB_REGISTRY_AUTHFILE=$folder/registry-auth.json
LAB_SERVER=$(slot_server "$slot")
LAB_SERVER_ID=$(docker inspect --format '{{.Id}}' "$(slot_server "$slot")")
LAB_SERVER_ADDRESS=$(network_server "$number")
LAB_REGISTRY_SERVER=$(slot_registry "$slot")
LAB_REGISTRY_ADDRESS=$(network_registry "$number")
LAB_APP_PORT_8000=$((base + 10))
LAB_APP_PORT_8001=$((base + 11))
LAB_APP_PORT_8002=$((base + 12))
LAB_APP_PORT_8003=$((base + 13))
LAB_APP_PORT_8004=$((base + 14))
ENV
    mv "$folder/slot.env.part" "$folder/slot.env"
}

lab_down() {
    local slot
    if [[ ${1:-} == --all ]]; then
        for slot in $(slot_all); do slot_remove "$slot"; done
    else
        slot_name_ok "${1:-}"
        hold_lock "slot-$1"
        slot_remove "$1"
    fi
}

slot_all() {
    docker network ls --filter label=landfall.lab=1 --format '{{.Label "landfall.lab.slot"}}'
}

# Only what carries both labels goes.
slot_remove() {
    local mine=(--filter label=landfall.lab=1 --filter "label=landfall.lab.slot=$1")
    docker ps -aq "${mine[@]}" | xargs -r docker rm -f -v >/dev/null
    docker volume ls -q "${mine[@]}" | xargs -r docker volume rm >/dev/null
    docker network ls -q "${mine[@]}" | xargs -r docker network rm >/dev/null
    rm -rf "${LAB_STATE:?}/$1"
}

lab_reset() {
    slot_must_exist "${1:-}"
    hold_lock "slot-$1"
    docker start "$(slot_server "$1")" >/dev/null
    neighbours_and_nothing_else "$1"
    registry_answers "$1" 2>/dev/null || lab_registry "$1" start
}

lab_status() {
    engine_answers || die "no Docker engine answers; run 'lab setup'"
    docker ps -a --filter label=landfall.lab=1 \
        --format 'table {{.Label "landfall.lab.slot"}}\t{{.Label "landfall.lab.variant"}}\t{{.Names}}\t{{.Status}}\t{{.Ports}}'
}

lab_env() {
    slot_must_exist "${1:-}"
    [[ -e $LAB_STATE/$1/slot.env ]] || die "slot '$1' was not brought up from here; say 'lab up $1' once"
    cat "$LAB_STATE/$1/slot.env"
}

lab_ssh() {
    local slot=${1:-} user=${2:-}
    slot_must_exist "$slot"
    [[ -n $user ]] || die "as whom? say for example 'lab ssh $slot deploy'"
    shift 2
    ssh -F none -i "$(slot_env_value "$slot" LAB_SSH_KEY)" -p "$(slot_env_value "$slot" LAB_SSH_PORT)" \
        -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
        -o "UserKnownHostsFile=$(slot_env_value "$slot" LAB_KNOWN_HOSTS)" -o GlobalKnownHostsFile=/dev/null \
        "$user@127.0.0.1" "$@"
}

lab_exec() {
    local slot=${1:-}
    slot_must_exist "$slot"
    shift
    docker exec -i "$(slot_server "$slot")" "$@"
}

lab_purge() {
    lab_down --all
    docker image ls --filter 'reference=landfall-lab/*' --format '{{.Repository}}:{{.Tag}}' |
        xargs -r docker image rm -f >/dev/null
    rm -f "$LAB_STATE"/beacon-*.tar
}
