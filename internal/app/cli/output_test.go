package cli

import (
	"bytes"
	"encoding/json"
	"testing"
)

// "--json prints one document": of a one-shot command that was interrupted too, but not of one that has written its own.
func TestInterruptedDocument(t *testing.T) {
	for _, code := range []int{exitInterrupted, exitTerminated} {
		var out bytes.Buffer
		e := &events{out: &out, on: true}
		e.close(nil, code)
		var document errorEvent
		if err := json.Unmarshal(out.Bytes(), &document); err != nil || document.Type != "error" || document.Code != code || document.What == "" {
			t.Errorf("code %d: %q, %v", code, out.String(), err)
		}
		out.Reset()
		e = &events{out: &out, on: true}
		if err := e.document(1); err != nil {
			t.Fatal(err)
		}
		e.close(nil, code)
		if out.String() != "1\n" {
			t.Errorf("after its own document: %q", out.String())
		}
	}
	var out bytes.Buffer
	if (&events{out: &out, on: true}).close(nil, exitOK); out.Len() != 0 {
		t.Errorf("done: %q", out.String())
	}
}
