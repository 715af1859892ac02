// The application that the tests release: it says which edition it is and which configuration it sees, and fails as its
// environment tells it to (see fate.go). Its image sets that environment, so a bad edition is a bad image.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// answer is what every edition says about itself over HTTP.
type answer struct {
	Version  string `json:"version"`
	Greeting string `json:"greeting"`
	File     string `json:"file"`
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	switch mode := argument(); mode {
	case "pause":
		// The signal's goroutine keeps this from being a deadlock.
		select {}
	case "job":
		if os.Getenv("FORK") != "" {
			startForks()
		}
		finish()
	case "fork":
		forkWithoutEnd()
	case "serve":
		serve()
	default:
		fmt.Fprintln(os.Stderr, "usage: app pause|job|serve|fork")
		os.Exit(2)
	}
}

func argument() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	return "serve"
}

func serve() {
	begun := time.Now()
	time.Sleep(seconds("START_AFTER"))
	crashOnce()
	if after, set := given("CRASH_AFTER"); set {
		go func() {
			time.Sleep(time.Until(begun.Add(after)))
			die(1, "crashed as told")
		}()
	}
	if after, set := given("EAT_MEMORY_AFTER"); set {
		go func() {
			time.Sleep(time.Until(begun.Add(after)))
			eatMemory()
		}()
	}
	unreadyAfter, goesUnready := given("UNREADY_AFTER")
	http.HandleFunc("/ready", func(reply http.ResponseWriter, _ *http.Request) {
		if goesUnready && time.Since(begun) >= unreadyAfter {
			http.Error(reply, "not ready any more, as told", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(reply, "ready")
	})
	http.HandleFunc("/", func(reply http.ResponseWriter, request *http.Request) {
		if request.URL.Path == os.Getenv("CRASH_ON") {
			die(1, "crashed on "+request.URL.Path+", as told")
		}
		file, err := os.ReadFile(os.Getenv("CONFIG_FILE"))
		if err != nil {
			file = nil
		}
		reply.Header().Set("Content-Type", "application/json")
		json.NewEncoder(reply).Encode(answer{os.Getenv("VERSION"), os.Getenv("GREETING"), string(file)})
	})
	fmt.Println("listening")
	die(1, http.ListenAndServe(":"+port(), nil).Error())
}
