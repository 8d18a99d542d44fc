# shellcheck shell=bash
# The Docker engine of this machine. One that runs already is used, never
# replaced or restarted; it refuses to know how that one was started.

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

engine_ensure() {
    engine_answers && return
    grep -q cgroup /proc/mounts ||
        die "no control groups are mounted, so no container can run here; mount them (cgroupfs-mount) or use another machine"
    local pid log=$LAB_STATE/dockerd.log
    say "starting a Docker engine, log in $log"
    pid=$(detached "$log" dockerd)
    echo "$pid" >"$LAB_STATE/dockerd.pid"
    local deadline=$((SECONDS + 60))
    until engine_answers; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); then
            die "the Docker engine did not start: $(tail -n 1 "$log"); see $log"
        fi
        sleep 0.1
    done
}

# engine_freedom: the options that let a container run an engine of its own.
# Where this machine's root lacks a capability, --privileged is refused, and
# every capability that it does have is named instead. One option a line.
engine_freedom() {
    local bound
    bound=$((16#$(awk '/^CapBnd/ {print $2}' /proc/self/status)))
    local last
    last=$(</proc/sys/kernel/cap_last_cap)
    if ((bound == (1 << (last + 1)) - 1)); then
        echo --privileged
    else
        engine_capabilities "$bound"
        printf -- '--security-opt=%s=unconfined\n' seccomp apparmor systempaths
        echo '--device-cgroup-rule=a *:* rwm'
    fi
    if [[ ! -e /sys/fs/cgroup/cgroup.controllers ]]; then
        echo --volume=/sys/fs/cgroup:/sys/fs/cgroup
    fi
}

# In the kernel's order, from capability 0. The last three of today's kernels
# (PERFMON, BPF, CHECKPOINT_RESTORE) are left out: Docker 20.10 refuses them
# by name, and no engine needs them.
LAB_CAPABILITIES=(
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK
    IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
    BLOCK_SUSPEND AUDIT_READ
)

engine_capabilities() {
    local number
    for number in "${!LAB_CAPABILITIES[@]}"; do
        (($1 >> number & 1)) && echo "--cap-add=${LAB_CAPABILITIES[number]}"
    done
    return 0
}
