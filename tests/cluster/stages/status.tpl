{{- /*
What a kubelet reports about a pod, for one act of its fate. The text of each stage is a line that sets $act,
followed by this file. Acts: creating, run, unready, crash, oom (ends and is backed off), end, end-oom, end-zero, restart, back-off (the
same in single steps), pull-error, pull-backoff, config-error, succeed, fail.

A condition's lastTransitionTime is left out while its status stays: the patch merges by type and keeps the old one.
*/}}
{{- $now := Now }}
{{- $status := .status }}
{{- $uid := .metadata.uid }}
{{- $notes := .metadata.annotations | default dict }}
{{- $terminal := has $act (list "succeed" "fail") }}

{{- /* Which containers share the fate: the one named, or those whose image names it, or all. */}}
{{- $only := get $notes "fate.towpath.dev/container" }}
{{- $named := hasKey $notes "fate.towpath.dev/pod" }}
{{- $inImage := false }}
{{- range .spec.containers }}{{ if regexMatch $fates .image }}{{ $inImage = true }}{{ end }}{{ end }}

{{- $unready := list }}
{{- $alive := false }}
containerStatuses:
{{- range $container := .spec.containers }}
{{- $mine := true }}
{{- if $only }}{{ $mine = eq .name $only }}{{ else if and (not $named) $inImage }}{{ $mine = regexMatch $fates .image }}{{ end }}
{{- $does := ternary $act "run" (or $mine $terminal) }}
{{- $old := dict }}
{{- range $status.containerStatuses }}{{ if eq .name $container.name }}{{ $old = . }}{{ end }}{{ end }}
{{- $restarts := $old.restartCount | default 0 | toString | atoi }}
{{- $crashed := has $does (list "crash" "oom") }}
{{- if or $crashed (eq $does "restart") }}{{ $restarts = add1 $restarts }}{{ end }}
{{- $ends := has $does (list "end" "end-oom" "end-zero") }}
{{- $oom := has $does (list "oom" "end-oom") }}
{{- $runs := has $does (list "run" "unready" "restart") }}
{{- /* The end that a restart or a back-off follows; after a back-off it has been moved to lastState before. */}}
{{- $ended := dig "state" "terminated" dict $old }}
{{- $notFound := print "rpc error: code = NotFound desc = failed to pull and unpack image \"" .image "\": failed to resolve image: " .image ": not found" }}
{{- $pulled := not (has $does (list "creating" "pull-error" "pull-backoff" "config-error")) }}
{{- if $pulled }}{{ $alive = true }}{{ end }}
{{- if ne $does "run" }}{{ $unready = append $unready .name }}{{ end }}

{{- /* repository@sha256:..., the repository in full; the digest given, or one made from the name and tag. */}}
{{- $repository := regexReplaceAll "(:[^/:@]+)?(@.*)?$" .image "" }}
{{- $tag := regexFind ":[^/:@]+$" (regexReplaceAll "@.*$" .image "") | default ":latest" }}
{{- $host := splitList "/" $repository | first }}
{{- if not (contains "/" $repository) }}{{ $repository = print "docker.io/library/" $repository }}
{{- else if not (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) }}{{ $repository = print "docker.io/" $repository }}{{ end }}
{{- $digest := regexFind "sha256:[0-9a-f]{64}$" .image | default (print "sha256:" (sha256sum (print $repository $tag))) }}
{{- $began := dig "state" "running" "startedAt" $now $old }}
{{- $containerID := print "containerd://" (sha256sum (print $uid .name $restarts)) }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ ternary (print $repository "@" $digest) "" $pulled | Quote }}
  containerID: {{ ternary $containerID "" $pulled | Quote }}
  ready: {{ eq $does "run" }}
  started: {{ $runs }}
  restartCount: {{ $restarts }}
  {{- if and $ended (has $does (list "restart" "back-off")) }}
  lastState: { terminated: {{ $ended | toJson }} }
  {{- else if or $crashed (and (eq $does "restart") (not $old.lastState)) }}
  lastState:
    terminated:
      exitCode: {{ ternary 137 1 $oom }}
      reason: {{ ternary "OOMKilled" "Error" $oom }}
      startedAt: {{ $began | Quote }}
      finishedAt: {{ $now | Quote }}
      containerID: {{ print "containerd://" (sha256sum (print $uid .name (sub $restarts 1))) | Quote }}
  {{- else }}
  lastState: {{ $old.lastState | default dict | toJson }}
  {{- end }}
  state:
  {{- if $runs }}
    running:
      startedAt: {{ $began | Quote }}
  {{- else if $ends }}
    terminated:
      exitCode: {{ if eq $does "end-zero" }}0{{ else }}{{ ternary 137 1 $oom }}{{ end }}
      reason: {{ if eq $does "end-zero" }}Completed{{ else }}{{ ternary "OOMKilled" "Error" $oom }}{{ end }}
      startedAt: {{ $began | Quote }}
      finishedAt: {{ $now | Quote }}
      containerID: {{ $containerID | Quote }}
  {{- else if $terminal }}
    terminated:
      exitCode: {{ ternary 0 1 (eq $does "succeed") }}
      reason: {{ ternary "Completed" "Error" (eq $does "succeed") }}
      startedAt: {{ $began | Quote }}
      finishedAt: {{ $now | Quote }}
      containerID: {{ $containerID | Quote }}
  {{- else }}
    waiting:
    {{- if or $crashed (eq $does "back-off") }}
      reason: CrashLoopBackOff
      message: {{ print "back-off " (index (list "10s" "20s" "40s" "1m20s" "2m40s" "5m0s") (int (min 5 (sub $restarts 1)))) " restarting failed container=" .name " pod=" $.metadata.name "_" $.metadata.namespace "(" $uid ")" | Quote }}
    {{- else if eq $does "pull-error" }}
      reason: ErrImagePull
      message: {{ $notFound | Quote }}
    {{- else if eq $does "pull-backoff" }}
      reason: ImagePullBackOff
      message: {{ print "Back-off pulling image \"" .image "\": ErrImagePull: " $notFound | Quote }}
    {{- else if eq $does "config-error" }}
      reason: CreateContainerConfigError
      message: {{ print "secret \"" .name "\" not found" | Quote }}
    {{- else }}
      reason: ContainerCreating
    {{- end }}
  {{- end }}
{{- end }}
{{- with .spec.initContainers }}
initContainerStatuses:
{{- range . }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ print .image "@sha256:" (sha256sum .image) | Quote }}
  ready: true
  restartCount: 0
  {{- if and (eq (.restartPolicy | default "") "Always") (not $terminal) }}
  started: true
  state: { running: { startedAt: {{ $status.startTime | default $now | Quote }} } }
  {{- else }}
  started: false
  state: { terminated: { exitCode: 0, reason: Completed, startedAt: {{ $status.startTime | default $now | Quote }}, finishedAt: {{ $status.startTime | default $now | Quote }} } }
  {{- end }}
{{- end }}
{{- end }}
conditions:
{{- range $type := list "PodReadyToStartContainers" "Initialized" "ContainersReady" "Ready" }}
{{- $true := true }}
{{- $reason := "" }}
{{- if has $type (list "ContainersReady" "Ready") }}
{{- $true = not $unready }}
{{- $reason = ternary "" "ContainersNotReady" $true }}
{{- end }}
{{- if $terminal }}{{ $reason = ternary "PodCompleted" "PodFailed" (eq $act "succeed") }}{{ end }}
{{- if and (or $terminal (eq $act "creating")) (eq $type "PodReadyToStartContainers") }}{{ $true = false }}{{ $reason = "PodSandboxNotReady" }}{{ end }}
{{- if and $terminal (eq $type "Initialized") (eq $act "fail") }}{{ $reason = "" }}{{ end }}
{{- $value := ternary "True" "False" $true }}
{{- $old := "" }}
{{- range $status.conditions }}{{ if eq .type $type }}{{ $old = .status }}{{ end }}{{ end }}
- type: {{ $type }}
  status: {{ $value | Quote }}
  observedGeneration: {{ $.metadata.generation | default 1 }}
  {{- if ne $old $value }}
  lastTransitionTime: {{ $now | Quote }}
  {{- end }}
  reason: {{ ternary ($reason | Quote) "null" (ne $reason "") }}
  message: {{ ternary (print "containers with unready status: [" (join " " $unready) "]" | Quote) "null" (eq $reason "ContainersNotReady") }}
{{- end }}
phase: {{ if eq $act "succeed" }}Succeeded{{ else if eq $act "fail" }}Failed{{ else if $alive }}Running{{ else }}Pending{{ end }}
observedGeneration: {{ .metadata.generation | default 1 }}
startTime: {{ $status.startTime | default $now | Quote }}
{{- with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs: [{ ip: {{ index . 0 | Quote }} }]
{{- end }}
{{- if not (or $status.podIP (eq $act "creating")) }}
{{- with PodIPsWith .spec.nodeName (.spec.hostNetwork | default false) $uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ ip: {{ index . 0 | Quote }} }]
{{- end }}
{{- end }}
