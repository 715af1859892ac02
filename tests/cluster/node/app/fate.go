package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// What the environment may ask for; times are whole seconds since the process began.
//
//	PORT=8080              where it listens
//	START_AFTER=5          listens only then
//	CRASH_AFTER=3          exits with 1 then
//	CRASH_ONCE=/state/x    exits with 1 at once unless that file exists, and writes it
//	CRASH_ON=/checkout     exits with 1 when it is asked for that path
//	UNREADY_AFTER=3        /ready answers 503 from then on
//	EAT_MEMORY_AFTER=3     takes memory from then on, without end
//	EXIT_AFTER=1           a job ends then,
//	EXIT_CODE=3            with this code
//	EXIT_MESSAGE=text      and this termination message
//	FORK=1                 a job does not end, and starts processes without end that do the same; not before its cgroup has a
//	                       limit of processes, for the sake of the machine

// The kubelet reads the message of a container's end from here.
const terminationLog = "/dev/termination-log"

func given(name string) (time.Duration, bool) {
	number, err := strconv.Atoi(os.Getenv(name))
	return time.Duration(number) * time.Second, err == nil
}

func port() string {
	if port := os.Getenv("PORT"); port != "" {
		return port
	}
	return "8080"
}

func seconds(name string) time.Duration {
	after, _ := given(name)
	return after
}

func die(code int, message string) {
	fmt.Fprintln(os.Stderr, message)
	if err := os.WriteFile(terminationLog, []byte(message), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func finish() {
	time.Sleep(seconds("EXIT_AFTER"))
	code, _ := strconv.Atoi(os.Getenv("EXIT_CODE"))
	die(code, os.Getenv("EXIT_MESSAGE"))
}

func crashOnce() {
	marker := os.Getenv("CRASH_ONCE")
	if marker == "" {
		return
	}
	if _, err := os.Stat(marker); err == nil {
		return
	}
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		die(1, err.Error())
	}
	die(1, "crashed once, as told")
}

// Every page is touched, so that it counts.
func eatMemory() {
	var eaten [][]byte
	for {
		block := make([]byte, 1<<20)
		for place := 0; place < len(block); place += 4096 {
			block[place] = 1
		}
		eaten = append(eaten, block)
	}
}

// Where a container sees its own limit of processes: cgroup v1, v2.
var processLimits = []string{"/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"}

func hasLimitOfProcesses() bool {
	for _, file := range processLimits {
		if limit, err := os.ReadFile(file); err == nil {
			return strings.TrimSpace(string(limit)) != "max"
		}
	}
	return false
}

// The first process only starts one that forks: where no process can be started any more, Go programs may end.
func startForks() {
	for !hasLimitOfProcesses() {
		time.Sleep(100 * time.Millisecond)
	}
	if err := startFork(); err != nil {
		die(1, err.Error())
	}
	select {}
}

func forkWithoutEnd() {
	for {
		if startFork() != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Nothing waits for it: a process that has ended still counts.
func startFork() error {
	return exec.Command("/proc/self/exe", "fork").Start()
}
