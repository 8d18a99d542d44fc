# shellcheck shell=bash
# Who lives on every server besides what is deployed there, and stays through
# every reset. What runs in the server comes from here, so that no server is
# made again for it. It refuses to know what a neighbour is.

# What they are made of.
neighbours_wanted() { source_hash "$LAB_HOME/server" "$LAB_ROOT/examples/beacon"; }

# neighbours_script SLOT SCRIPT [ARGUMENT…]
neighbours_script() {
    local slot=$1 script=$2
    shift 2
    docker exec -i --env "WANTED=$(neighbours_wanted)" "$(slot_server "$slot")" \
        bash -c "$(<"$LAB_HOME/server/$script")" "$script" "$@"
}

# Prints what there is of them, for two looks to be compared.
lab_neighbours() {
    slot_must_exist "${1:-}"
    neighbours_script "$1" look </dev/null | sort
}

# neighbours_and_nothing_else SLOT: empties it; makes them move in where they
# are not there, or not as they were.
neighbours_and_nothing_else() {
    local code=0
    neighbours_script "$1" reset </dev/null || code=$?
    ((code != 0)) || return 0
    ((code == 7)) || die "the server of slot '$1' could not be emptied (code $code)"
    neighbours_program | neighbours_script "$1" neighbours
    neighbours_script "$1" reset moved-in </dev/null
}

# The program that they run: that of the example application.
neighbours_program() {
    local container
    container=$(docker create --label landfall.lab=1 landfall-lab/beacon:base)
    docker cp "$container:/beacon" - | tar -xO
    docker rm "$container" >/dev/null
}
