package ringwire

import "testing"

// "Of two entries of one host the later incarnation counts; of two with the same incarnation the greater state." Each incarnation has a next one.
func TestSupersedes(t *testing.T) {
	const last = 1<<32 - 1
	for _, c := range []struct{ m, old Member }{
		{Member{1, 0, Dead}, Member{1, 0, Alive}},
		{Member{1, 0, Left}, Member{1, 0, Alive}},
		{Member{1, 1, Alive}, Member{1, 0, Dead}},
		{Member{1, last, Alive}, Member{1, last - 1, Dead}},
		{Member{1, 0, Alive}, Member{1, last, Dead}},
		{Member{1, 1<<31 - 1, Dead}, Member{1, 0, Alive}},
	} {
		if !c.m.Supersedes(c.old) || c.old.Supersedes(c.m) || c.m.Supersedes(c.m) {
			t.Errorf("%+v must supersede %+v, and not the other way round", c.m, c.old)
		}
	}
}
