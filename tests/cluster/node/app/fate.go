package main

import (
	"fmt"
	"os"
	"strconv"
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
