# shellcheck shell=bash
# The example application in all its versions, good and bad: one binary,
# and one image for each way to behave. It refuses to know what a
# deployment should make of them.

# version=behaviour
LAB_BEACONS=(
    v1=good v2=good v3=good
    exits-at-start=exits-at-start exits-after-5s=exits-after-5s
    health-500=health-500 health-500-after-5s=health-500-after-5s
    never-binds=never-binds binds-after-5s=binds-after-5s
    ignores-sigterm=ignores-sigterm writes-data=writes-data migrate-fails=migrate-fails
)

beacon_hash() { source_hash "$LAB_ROOT/examples/beacon" "$LAB_HOME/images/beacon"; }

beacon_names() { printf 'landfall-lab/beacon:%s\n' "${LAB_BEACONS[@]%%=*}"; }

beacon_current() {
    local names current
    mapfile -t names < <(beacon_names)
    current=$(docker image inspect --format '{{index .Config.Labels "landfall.lab.source"}}' "${names[@]}" 2>/dev/null |
        grep -c "^$1\$" || true)
    ((current == ${#names[@]})) && docker image inspect rust:1-slim-bookworm >/dev/null 2>&1
}

beacon_ensure() {
    local hash pair
    hash=$(beacon_hash)
    beacon_current "$hash" && return
    base_rust
    images_build landfall-lab/beacon:base "$LAB_ROOT/examples/beacon"
    say "building ${#LAB_BEACONS[@]} versions of beacon"
    images_builder
    for pair in "${LAB_BEACONS[@]}"; do
        docker build -q --label "landfall.lab.source=$hash" -t "landfall-lab/beacon:${pair%%=*}" \
            --build-arg "VERSION=${pair%%=*}" --build-arg "BEHAVIOUR=${pair#*=}" \
            "$LAB_HOME/images/beacon" >"$LAB_STATE/build-beacon.log" 2>&1 ||
            die "beacon ${pair%%=*} could not be built; see $LAB_STATE/build-beacon.log"
    done
}

# beacon_archive: the path of one archive with all versions in it. Reading
# that is quicker than asking the engine for every image.
beacon_archive() {
    local archive names
    archive=$LAB_STATE/beacon-$(beacon_hash).tar
    if [[ ! -e $archive ]]; then
        mapfile -t names < <(beacon_names)
        docker save -o "$archive.part.$$" "${names[@]}"
        mv "$archive.part.$$" "$archive"
    fi
    echo "$archive"
}
