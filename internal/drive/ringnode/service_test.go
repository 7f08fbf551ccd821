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
