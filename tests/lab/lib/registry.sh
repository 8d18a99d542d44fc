# shellcheck shell=bash
# What is in a slot's registry, seen from this machine. Passwords go by
# file or by pipe, never on a command line.

registry_address() { echo "127.0.0.1:$(($(network_base "$(network_number "$1")") + 1))"; }

registry_curl() {
    local slot=$1
    shift
    curl -sS --fail-with-body --max-time 20 \
        --config <(printf 'user = "lab:%s"\n' "$(<"$LAB_STATE/$slot/registry.password")") "$@"
}

registry_answers() { registry_curl "$1" -o /dev/null "http://$(registry_address "$1")/v2/"; }

registry_switch_on() {
    docker start "$(slot_registry "$1")" >/dev/null
    docker exec -d "$(slot_registry "$1")" lab-registry run
}

registry_authfile() {
    local slot=$1
    jq -n --arg at "$(registry_address "$slot")" --rawfile password "$LAB_STATE/$slot/registry.password" \
        '{auths: {($at): {auth: ("lab:" + ($password | rtrimstr("\n")) | @base64)}}}' \
        >"$LAB_STATE/$slot/registry-auth.json"
}

lab_images() {
    slot_must_exist "${1:-}"
    hold_lock "images-$1"
    registry_push_all "$1"
}

# What was pushed is written down, so that the next bring-up need not ask.
registry_push_all() {
    local slot=$1 hash pair archive
    hash=$(beacon_hash)
    [[ $(cat "$LAB_STATE/$slot/images" 2>/dev/null) != "$hash" ]] || return 0
    archive=$(beacon_archive)
    for pair in "${LAB_BEACONS[@]}"; do
        registry_push "$slot" "$archive" "${pair%%=*}"
    done
    echo "$hash" >"$LAB_STATE/$slot/images"
}

registry_push() {
    local slot=$1 archive=$2 version=$3 log=$LAB_STATE/$1/push.log
    skopeo copy -q --dest-tls-verify=false --dest-authfile "$LAB_STATE/$slot/registry-auth.json" \
        "docker-archive:$archive:landfall-lab/beacon:$version" \
        "docker://$(registry_address "$slot")/beacon:$version" >"$log" 2>&1 ||
        die "beacon:$version could not be pushed: $(tail -n 1 "$log"); is the registry up ('lab registry $slot start')?"
}

lab_tag() {
    local slot=${1:-} from=${2:-} to=${3:-}
    slot_must_exist "$slot"
    [[ $from == *:* && $to == *:* && ${from%:*} == "${to%:*}" ]] ||
        die "a tag moves within one repository; say for example 'lab tag $slot beacon:v2 beacon:latest'"
    registry_retag "$slot" "${from%:*}" "${from##*:}" "${to##*:}"
}

# A tag is moved by storing the manifest again, byte for byte, under it.
registry_retag() {
    local slot=$1 at manifest=$LAB_STATE/$1/manifest.$$ type
    at=http://$(registry_address "$slot")/v2/$2/manifests
    type=$(registry_curl "$slot" -o "$manifest" -w '%{content_type}' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
        -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$at/$3") ||
        die "the registry has no $2:$3, or is stopped; see 'lab images $slot' and 'lab registry $slot start'"
    registry_curl "$slot" -o /dev/null -X PUT -H "Content-Type: $type" --data-binary "@$manifest" "$at/$4"
    rm -f "$manifest"
}
