# shellcheck shell=bash
# Starts the action's image as the GitHub runner starts it: every declared input
# in the environment, the workspace and the command files mounted, no shell, no
# init, no terminal. It refuses to know what is deployed.

RUNNER_HOME=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
RUNNER_ROOT=$(cd "$RUNNER_HOME/../.." && pwd)

# runner_build IMAGE LOG: the image as the runner builds it from a checkout.
runner_build() {
    docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
    docker build -t "$1" "$RUNNER_ROOT" >"$2" 2>&1
}

# runner_declare INPUT=VALUE…: sets INPUT_… for every input that action.yml
# declares; an unset one gets its default, or is empty.
runner_declare() {
    local name default pair given=()
    while IFS=$'\t' read -r name default; do
        export "INPUT_${name^^}=$default"
        given+=("INPUT_${name^^}")
    done < <(python3 "$RUNNER_HOME/runner_files.py" inputs "$RUNNER_ROOT/action.yml")
    for pair in "$@"; do
        name=INPUT_${pair%%=*}
        export "${name^^}=${pair#*=}"
        [[ " ${given[*]} " == *" ${name^^} "* ]] || given+=("${name^^}")
    done
    RUNNER_INPUTS=("${given[@]}")
}

# runner_context: what the runner says about itself and the workflow.
runner_context() {
    export CI=true GITHUB_ACTIONS=true HOME=/github/home \
        GITHUB_WORKSPACE=/github/workspace GITHUB_ACTION=deploy GITHUB_JOB=deploy \
        GITHUB_ACTOR=octo GITHUB_REPOSITORY=example/beacon GITHUB_EVENT_NAME=push \
        GITHUB_REF=refs/heads/main GITHUB_REF_NAME=main GITHUB_WORKFLOW=deploy \
        GITHUB_SHA=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 \
        GITHUB_RUN_ID=1 GITHUB_RUN_NUMBER=1 GITHUB_RUN_ATTEMPT=1 \
        GITHUB_SERVER_URL=https://github.com GITHUB_API_URL=https://api.github.com \
        GITHUB_EVENT_PATH=/github/workflow/event.json \
        GITHUB_OUTPUT=/github/file_commands/set_output GITHUB_ENV=/github/file_commands/set_env \
        GITHUB_STATE=/github/file_commands/save_state GITHUB_PATH=/github/file_commands/add_path \
        GITHUB_STEP_SUMMARY=/github/file_commands/step_summary \
        RUNNER_OS=Linux RUNNER_ARCH=X64 RUNNER_NAME=demo
    RUNNER_CONTEXT=(CI HOME)
    mapfile -t -O 2 RUNNER_CONTEXT < <(compgen -e | grep -E '^(GITHUB|RUNNER)_' | grep -vE '^RUNNER_(HOME|ROOT|INPUTS|CONTEXT)$')
}

# runner_event: the push that a workflow would have been started by.
runner_event() {
    cat <<'JSON'
{"head_commit": {"id": "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
                 "message": "Light the lamp\n\nIt was dark.",
                 "author": {"name": "Ada Example", "username": "ada"}}}
JSON
}

# runner_run IMAGE NETWORK FOLDER INPUT=VALUE…: runs the action on the workspace
# FOLDER/workspace and leaves FOLDER/file_commands; its exit code is the action's.
runner_run() (
    local image=$1 network=$2 folder=$3 name docker options=()
    docker=$(command -v docker)
    shift 3
    mkdir -p "$folder"/{workspace,home,workflow,file_commands}
    for name in set_output set_env save_state add_path step_summary; do : >"$folder/file_commands/$name"; done
    runner_event >"$folder/workflow/event.json"
    for name in $(compgen -e | grep -E '^(INPUT|GITHUB)_'); do unset "$name"; done
    runner_declare "$@"
    runner_context
    for name in "${RUNNER_INPUTS[@]}" "${RUNNER_CONTEXT[@]}"; do options+=(-e "$name"); done
    exec env DOCKER_CONFIG="$folder/home" "$docker" run --rm --network "$network" --workdir /github/workspace "${options[@]}" \
        -v "$folder/home:/github/home" -v "$folder/workflow:/github/workflow" \
        -v "$folder/file_commands:/github/file_commands" -v "$folder/workspace:/github/workspace" "$image"
)

# runner_log: the log as the runner's page shows it: folds closed, annotations as boxes, masks kept
# to itself.
runner_log() { python3 "$RUNNER_HOME/runner_files.py" log; }

# runner_output FOLDER NAME: what the action set.
runner_output() { python3 "$RUNNER_HOME/runner_files.py" output "$1/file_commands/set_output" "$2"; }
