package ringnode

import (
	"testing"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// concurrent is a record of registers that do not know of each other.
func concurrent(values ...string) *ringwire.Record {
	record := &ringwire.Record{Key: "k"}
	for i, value := range values {
		record.Versions = append(record.Versions, ringwire.Version{
			Dot: ringwire.Dot{Writer: ringwire.Writer{byte(i + 1)}, Epoch: 1, Counter: 1}, Value: []byte(value)})
	}
	return record
}

// A read of siblings has them all and no value: none of them is it. An only value is one even if it is empty.
func TestFoundSiblings(t *testing.T) {
	n := &Node{}
	got, err := n.found("k", replica.Result{Record: concurrent("a", "b")}, ringapi.GetOptions{Siblings: true})
	if err != nil || got.Value != nil || len(got.Siblings) != 2 {
		t.Errorf("two values: %+v, %v", got, err)
	}
	got, err = n.found("k", replica.Result{Record: concurrent("")}, ringapi.GetOptions{Siblings: true})
	if err != nil || got.Value == nil || len(got.Siblings) != 0 {
		t.Errorf("one empty value: %+v, %v", got, err)
	}
}

// A refused write says which of its conditions failed, and only a write may have happened although nobody answers.
func TestWriteErrors(t *testing.T) {
	register := concurrent("a")
	set := concurrent("a")
	set.Versions[0].Set = true
	old, here := ringwire.Context{}, register.Context()
	other := replica.Condition{Version: concurrent("a", "b").Context()}
	other.Version = other.Version[1:]
	absent := replica.Condition{Absent: true}
	for _, row := range []struct {
		record        *ringwire.Record
		status        replica.Status
		set, deletion bool
		condition     replica.Condition
		want          string
	}{
		{register, replica.Conflict, false, false, absent, `"k" exists already`},
		{register, replica.Conflict, false, false, other, `"k" has another version by now`},
		{register, replica.Conflict, false, true, other, `"k" has another version by now`},
		{&ringwire.Record{Key: "k"}, replica.Conflict, false, false, other, `"k" does not exist any more`},
		{register, replica.Conflict, true, false, replica.Condition{}, `"k" is one value and not a set`},
		{set, replica.Conflict, false, false, replica.Condition{}, `"k" is a set and not one value`},
		{nil, replica.TooFew, false, false, replica.Condition{}, `too few of the nodes that hold "k" answer; the write may have happened all the same`},
	} {
		seen := old
		if row.record != nil && len(row.record.Versions) > 0 {
			seen = here
		}
		got := writeError("k", replica.Result{Status: row.status, Record: row.record, Version: seen}, row.set, row.deletion, row.condition)
		if got.Message != row.want || got.Hint == "" {
			t.Errorf("got %q (%s), want %q", got.Message, got.Hint, row.want)
		}
	}
	if got := statusError("k", replica.Result{Status: replica.TooFew}); got.Message != `too few of the nodes that hold "k" answer` {
		t.Errorf("a read: %q", got.Message)
	}
}
