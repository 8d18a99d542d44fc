# shellcheck shell=bash
# Gets the judges: Python's and npm's packages in the versions written here, into
# .lab/judges. What is there in these versions already is used as it is.

judges_versions() { cat "$HERE/requirements.txt" "$HERE/package-lock.json" "$HERE/uses.mjs" "$HERE/summaries.mjs"; }

judges_setup() {
    local wanted log=$ROOT/.lab/judges.log
    wanted=$(judges_versions | sha256sum | cut -c1-16)
    mkdir -p "$TOOLS"
    exec {JUDGES_LOCK}>"$TOOLS/lock"
    flock -w 600 "$JUDGES_LOCK" || die "another set-up of the judges holds $TOOLS/lock"
    if [[ $(cat "$TOOLS/version" 2>/dev/null) != "$wanted" ]]; then
        say "getting the judges, log in $log"
        judges_packages >"$log" 2>&1 || die "the judges' packages are missing; see $log"
        judges_python >>"$log" 2>&1 || die "check-jsonschema and zizmor could not be installed; see $log"
        judges_node >>"$log" 2>&1 || die "the language service could not be installed; see $log"
        echo "$wanted" >"$TOOLS/version"
    fi
    exec {JUDGES_LOCK}>&-
}

# judges_packages: what apt has to bring, if anything.
judges_packages() {
    local missing=()
    command -v shellcheck || missing+=(shellcheck)
    python3 -c 'import ensurepip, venv' || missing+=(python3-venv)
    command -v node || missing+=(nodejs)
    command -v npm || missing+=(npm)
    ((${#missing[@]})) || return 0
    [[ $EUID -eq 0 ]] || die "these are missing: ${missing[*]}; install them, or run this as root"
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

judges_python() {
    python3 -m venv --clear "$TOOLS" &&
        "$TOOLS/bin/pip" install --disable-pip-version-check --no-input --requirement "$HERE/requirements.txt"
}

# What shows summaries runs where its packages are. The language service is a library: esbuild makes one program of it and uses.mjs.
judges_node() (
    mkdir -p "$TOOLS/node" &&
        cp "$HERE"/{package.json,package-lock.json,uses.mjs,summaries.mjs} "$TOOLS/node/" &&
        cd "$TOOLS/node" &&
        npm ci --ignore-scripts --no-audit --no-fund &&
        node_modules/.bin/esbuild uses.mjs --bundle --platform=node --target=node18 --format=esm --outfile="$TOOLS/uses.mjs" \
            --banner:js='import{createRequire}from"module";const require=createRequire(import.meta.url);'
)
