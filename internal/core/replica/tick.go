package replica

import "time"

// Tick does what is due: retries, deadlines, synchronisation, the ends of versions.
func (r *Replica) Tick(now time.Duration) {
	r.advance(now)
	for {
		o, ok := r.order.pop(r.now)
		if !ok {
			break
		}
		r.wake(o)
	}
	for {
		key, ok := r.expiry.pop(r.now)
		if !ok {
			break
		}
		r.age(key)
	}
	if r.now >= r.sync.next {
		r.sync.next = r.now + r.cfg.Retry/2
		if !r.broken {
			r.tickSessions()
			r.tickPieces()
			r.walk()
		}
		r.saveArcs()
	}
	r.settle()
}

// expire has e looked at when its time is over, or before: a key that is written again and again, each time for longer, is in the heap
// once.
func (r *Replica) expire(e *entry) {
	if e.due == 0 || e.next < e.due {
		e.due = e.next
		r.expiry.add(e.due, e.key)
	}
}

// age lets the time of a record's versions run out: here in the index, on disk when it is next written or, if nothing is left, at once.
func (r *Replica) age(key string) {
	e := r.index.byKey[key]
	if digest, ok := r.kept[key]; ok {
		delete(r.kept, key)
		if e == nil { // else it was written again
			r.forget(key, digest)
		}
	}
	if e == nil || e.due > r.now {
		return
	}
	e.due = 0
	switch {
	case e.next == 0:
		return
	case e.next > r.now:
		r.expire(e)
		return
	}
	rec, err := r.cfg.Store.Load(r.now, key)
	if err != nil {
		r.fail()
		return
	}
	r.stats.Expired++
	if rec == nil {
		r.forget(key, e.digest)
	}
	r.note(key, rec)
	r.recent.drop(key)
}

// NextTick is when Tick is to be called next. There always is such a time.
func (r *Replica) NextTick() time.Duration {
	next := r.sync.next
	for _, d := range [...]func() (time.Duration, bool){r.order.next, r.expiry.next} {
		if at, ok := d(); ok {
			next = min(next, at)
		}
	}
	return next
}
