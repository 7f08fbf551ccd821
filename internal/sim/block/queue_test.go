package block

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The heap of timers against a plain list.
func TestTimersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 7
		timers := newTimers(nodes)
		model := map[int32]time.Duration{}
		first := func() (int32, bool) {
			best := int32(-1)
			for id, at := range model {
				if best < 0 || at < model[best] || at == model[best] && id < best {
					best = id
				}
			}
			return best, best >= 0
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				id := rapid.Int32Range(0, nodes*timerKinds-1).Draw(t, "id")
				at := time.Duration(rapid.IntRange(0, 20).Draw(t, "at"))
				timers.set(id, at)
				model[id] = at
			},
			"clear": func(t *rapid.T) {
				id := rapid.Int32Range(0, nodes*timerKinds-1).Draw(t, "id")
				timers.clear(id)
				delete(model, id)
			},
			"pop": func(t *rapid.T) {
				id, ok := first()
				if !ok {
					return
				}
				if node, kind := timers.pop(); timer(node, kind) != id {
					t.Fatalf("popped %d, want %d", timer(node, kind), id)
				}
				delete(model, id)
			},
			"": func(t *rapid.T) {
				id, ok := first()
				at, set := timers.next()
				if ok != set || ok && at != model[id] {
					t.Fatalf("next %v %v, want %v %v", at, set, model[id], ok)
				}
			},
		})
	})
}

// The ring against a slice.
func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var model []uint32
		for k, push := range rapid.SliceOfN(rapid.Bool(), 0, 200).Draw(t, "pushes") {
			switch {
			case push:
				r.push(packet{index: uint32(k)})
				model = append(model, uint32(k))
			case len(model) > 0:
				if got := r.pop().index; got != model[0] {
					t.Fatalf("popped %d, want %d", got, model[0])
				}
				model = slices.Delete(model, 0, 1)
			}
			if r.n != len(model) || r.n > 0 && r.front().index != model[0] {
				t.Fatalf("%d entries, want %v", r.n, model)
			}
		}
	})
}
