package session

// Leases bounds connections: in all, and of each torrent. Not safe for concurrent use.
type Leases struct {
	Max        int // connections of all torrents; 0 = no limit
	PerTorrent int // of one torrent; 0 = no limit

	total  int
	used   map[int]int // by torrent; never ranged over where order could show
	active int         // torrents with at least one
}

// Acquire takes a lease for a connection of the torrent, and reports whether there was one. No torrent is shut out: while it
// holds fewer than its fair share of Max, other torrents leave it room by not growing beyond theirs once the
// session is nine tenths full.
func (l *Leases) Acquire(torrent int) bool {
	n := l.used[torrent]
	if l.PerTorrent > 0 && n >= l.PerTorrent || l.Max > 0 && l.total >= l.Max {
		return false
	}
	if l.Max > 0 && l.active > 0 && l.total*10 >= l.Max*9 && n > l.Max/(l.active+1) {
		return false
	}
	if l.used == nil {
		l.used = make(map[int]int)
	}
	if n == 0 {
		l.active++
	}
	l.used[torrent] = n + 1
	l.total++
	return true
}

// Release gives back one lease of the torrent.
func (l *Leases) Release(torrent int) {
	switch n := l.used[torrent]; n {
	case 0:
		return
	case 1:
		delete(l.used, torrent)
		l.active--
	default:
		l.used[torrent] = n - 1
	}
	l.total--
}

// Total returns the leases in use.
func (l *Leases) Total() int { return l.total }

// Of returns the leases that the torrent holds.
func (l *Leases) Of(torrent int) int { return l.used[torrent] }
