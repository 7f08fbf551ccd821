package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// "Byte budgets per node": what one other host may have written here is bounded by a rate, with a burst; beyond, it is told to come again. It is nobody
// else's loss.
func TestHostRate(t *testing.T) {
	n := newNet()
	greedy, modest, h := n.add(10), n.add(20), n.add(30)
	greedy.start()
	h.start()
	h.drain()
	rec := func(i int) *ringwire.Record {
		v := ringwire.Version{Dot: ringwire.Dot{Writer: writer(greedy.id), Epoch: 1, Counter: uint64(i)}, Value: make([]byte, 8000), Hash: hash(make([]byte, 8000))}
		return greedy.r.sign(fmt.Sprintf("k%03d", i), v)
	}
	size := int64(rec(1).Size())
	burst := rate.Burst(0)
	h.r.cfg.HostRate = burst // so a burst comes back in a second
	whole := int(burst / size)
	now := time.Minute
	taken := func(from ringwire.Host, writes int) (count int) {
		for i := range writes {
			before := h.r.stats.OverBudget
			h.r.Receive(now, from, &ringwire.Data{Kind: ringwire.DataWrite, Op: uint64(i + 1), Record: rec(i + 1)})
			busy := 0
			for a, more := h.r.Next(); more; a, more = h.r.Next() {
				if a.Kind == Send && a.Message.Kind == ringwire.DataWritten && a.Message.Status == ringwire.StatusBusy {
					busy++
				}
			}
			if refused := h.r.stats.OverBudget - before; refused != uint64(busy) {
				t.Fatalf("write %d: refused %d times, and answered busy %d times", i, refused, busy)
			} else if refused == 0 {
				count++
			}
		}
		return count
	}
	if got := taken(greedy.id, 50); got != whole {
		t.Errorf("%d writes at once of a host that may write %d", got, whole)
	}
	if got := taken(modest.id, 5); got != 5 {
		t.Errorf("%d of 5 writes of another host", got)
	}
	now += time.Second / 2
	if got, want := taken(greedy.id, 50), int((burst%size+burst/2)/size); got != want {
		t.Errorf("%d writes half a second later, want %d", got, want)
	}
	now += time.Hour
	if got := taken(greedy.id, 50); got != whole {
		t.Errorf("%d writes an hour later, want a burst of %d", got, whole)
	}
}
