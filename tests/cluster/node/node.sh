# A machine of its own for containerd, a registry and the kubelet, made of namespaces and cgroups. Three steps, each the
# next one's parent: `enter` joins cgroups named after the control plane's directory, `leave` makes them the root of a
# cgroup namespace, `inside` is process 1 of all other namespaces.
#
# With process 1 everything ends: processes, mounts and interfaces are in its namespaces. Only the cgroups and the
# directory stay behind, for the watchdog (see src/guard.rs).
set -eu

step=$1 dir=$2 programs=$3

# cgroup v1: every hierarchy. v2: the one there is.
enter() {
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ -f "$hierarchy/cgroup.procs" ] && ! [ -L "$hierarchy" ] || continue
        own=$hierarchy/${dir##*/}
        mkdir "$own"
        for file in cpuset.cpus cpuset.mems; do
            # In v1 nobody may join before these are set.
            if [ -f "$own/$file" ] && [ -z "$(cat "$own/$file")" ] && [ -f "$hierarchy/$file" ]; then
                cat "$hierarchy/$file" > "$own/$file"
            fi
        done
        echo $$ > "$own/cgroup.procs"
    done
    exec unshare --cgroup sh "$0" leave "$dir" "$programs"
}

leave() {
    # In v2 a cgroup that has members cannot give its children controllers.
    own=/sys/fs/cgroup/${dir##*/}
    if [ -f "$own/cgroup.subtree_control" ]; then
        mkdir "$own/init"
        echo $$ > "$own/init/cgroup.procs"
    fi
    # A probe has one second, also on a machine that is busy with stories.
    exec nice -n -10 unshare --ipc --mount --net --pid --fork --kill-child --mount-proc sh "$0" inside "$dir" "$programs"
}

inside() {
    own_folders
    own_cgroups
    own_kernel_settings
    ip link set lo up
    # The kubelet wants an address that is not of the loopback range.
    ip address add 10.89.0.1/32 dev lo
    export PATH="/run/programs:$PATH" OTEL_TRACES_EXPORTER=none
    registry serve /run/cluster/node/registry.yaml > /run/cluster/logs/registry.log 2>&1 &
    containerd --config /run/cluster/node/containerd.toml > /run/cluster/logs/containerd.log 2>&1 &
    until [ -S /run/containerd/containerd.sock ]; do
        kill -s 0 $! || exit 1
        sleep 0.05
    done
    kubelet --config=/run/cluster/node/kubelet.yaml --kubeconfig=/run/cluster/access/kubelet.kubeconfig \
        --hostname-override=real --node-ip=10.89.0.1 --root-dir=/run/cluster/node/kubelet \
        --cert-dir=/run/cluster/node/pki --node-labels=towpath.dev/node=real \
        > /run/cluster/logs/kubelet.log 2>&1 &
    # Process 1 is also the parent of every orphan; the shell reaps them while it waits.
    wait $!
}

# What these programs write outside of the folders they are told, and the sockets with fixed names.
own_folders() {
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/cluster /mnt/programs
    mount --bind "$dir" /mnt/cluster
    mount --bind "$programs" /mnt/programs
    for place in /run /opt /var/lib /var/log; do
        mount -t tmpfs tmpfs "$place"
    done
    mkdir /run/cluster /run/programs
    mount --move /mnt/cluster /run/cluster
    mount --move /mnt/programs /run/programs
    umount /mnt
}

# Our own cgroup as the root of all.
own_cgroups() {
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
            echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
        done
        return
    fi
    mount -t tmpfs tmpfs /sys/fs/cgroup
    while IFS=: read -r number controllers _; do
        case $number:$controllers in
            0:*) continue ;;
            *:name=*) folder=${controllers#name=} options=none,$controllers ;;
            *) folder=$controllers options=$controllers ;;
        esac
        mkdir "/sys/fs/cgroup/$folder"
        mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$folder"
    done < /proc/self/cgroup
}

# The kubelet sets these for the whole machine unless it finds them so.
own_kernel_settings() {
    mkdir /run/settings
    while read -r name value; do
        file=/run/settings/$(echo "$name" | tr / .)
        echo "$value" > "$file"
        mount --bind "$file" "/proc/sys/$name"
    done << EOF
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
EOF
}

"$step"
