package cli

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
)

// events writes JSON on stdout: a line an event for long-running commands, one document for the others. It does nothing
// unless --json was given. Safe for concurrent use.
type events struct {
	mu  sync.Mutex
	out io.Writer

	on     bool // --json
	stream bool // the command is a long-running one
	told   bool // the one document was written
}

// emit writes v as one line, for long-running commands. That stdout fails is noticed by the command's own result, or does
// not matter.
func (e *events) emit(v any) { _ = e.tell(v) }

// tell is emit of an event without which the command is of no use.
func (e *events) tell(v any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.on || !e.stream {
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return failOutput("writing the events to", err)
	}
	return nil
}

// document writes v as the one, indented document of a one-shot command.
func (e *events) document(v any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = true
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}

// close ends the output of a command: with the exit event of a long-running one, or with the failure as the document of
// another that has not written its own.
func (e *events) close(failure *Failure, code int) {
	e.emit(exitEvent{"exit", code})
	if failure == nil && (code == exitInterrupted || code == exitTerminated) {
		failure = &Failure{What: codeMeanings[code], Code: code} // whoever reads the document finds one
	}
	if e.on && !e.stream && !e.told && failure != nil {
		_ = e.document(newErrorEvent(failure)) // stderr has it too
	}
}

// readyEvent says that a long-running command can be used now. nil = does not apply.
type readyEvent struct {
	Type     string  `json:"type"`
	Infohash *string `json:"infohash"`
	Listen   *string `json:"listen"`  // peers' address, IP:PORT
	HTTP     *string `json:"http"`    // the tracker's address, IP:PORT
	URL      *string `json:"url"`     // of the .torrent; for a tracker its announce URL
	Command  *string `json:"command"` // what receivers run
	Metrics  *string `json:"metrics"` // of a tracker: where Prometheus finds it, IP:PORT
}

// progressEvent is one look at a transfer, about once a second. nil = unknown.
type progressEvent struct {
	Type     string   `json:"type"`
	Infohash string   `json:"infohash"`
	State    string   `json:"state"`
	Bytes    int64    `json:"bytes"` // verified, of size
	Size     int64    `json:"size"`  // wanted
	DownBPS  int64    `json:"down_bps"`
	UpBPS    int64    `json:"up_bps"`
	UpTotal  int64    `json:"up_total"`
	Peers    int      `json:"peers"`
	Seeds    int      `json:"seeds"`
	Copies   int      `json:"copies"`
	ETA      *float64 `json:"eta_s"`
}

// hashingEvent is one look at content being hashed or verified, about once a second.
type hashingEvent struct {
	Type  string `json:"type"` // "hashing" or "checking"
	Bytes int64  `json:"bytes"`
	Size  int64  `json:"size"`
}

// completeEvent is the report of a download, written when it is verified.
type completeEvent struct {
	Type         string   `json:"type"`
	Path         string   `json:"path"`
	Infohash     string   `json:"infohash"`
	Bytes        int64    `json:"bytes"`
	Wall         float64  `json:"wall_s"`
	MeanBPS      float64  `json:"mean_bps"`
	Peers        int      `json:"peers"`
	Wasted       int64    `json:"wasted_bytes"`
	HashFailures int      `json:"hash_failures"`
	Bound        *float64 `json:"bound_s"`
	Ratio        *float64 `json:"ratio"`
}

// errorEvent is a Failure.
type errorEvent struct {
	Type   string  `json:"type"`
	What   string  `json:"what"`
	Target *string `json:"target"`
	Cause  *string `json:"cause"`
	Hint   *string `json:"hint"`
	Code   int     `json:"code"`
}

func newErrorEvent(f *Failure) errorEvent {
	if f.Code == exitUsage && f.Target == "" && f.Cause == nil && f.Hint == "" {
		f = usageParts(f.What)
	}
	e := errorEvent{Type: "error", What: f.What, Target: known(f.Target), Hint: known(f.Hint), Code: f.Code}
	if f.Cause != nil {
		e.Cause = known(oneLine(f.Cause.Error()))
	}
	return e
}

// usageParts takes a line about the command line apart for programs, which expect the four parts of every failure: what is wrong with it, and what to
// write instead, which usageError's lines say after a semicolon or from "want" on.
func usageParts(line string) *Failure {
	f := &Failure{What: "reading the command line", Code: exitUsage}
	cause, hint, ok := strings.Cut(line, "; ")
	if !ok {
		if cause, hint, ok = strings.Cut(line, ": want "); ok {
			hint = "want " + hint
		}
	}
	f.Cause, f.Hint = errors.New(cause), hint
	return f
}

// exitEvent is the last line of a long-running command.
type exitEvent struct {
	Type string `json:"type"`
	Code int    `json:"code"`
}

// known returns nil for the zero value, which stands for "unknown" in JSON.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
