package session

// Demand is what one torrent could use of a global rate.
type Demand struct {
	Want   int64 // bytes/s it would move if it were alone; < 0 = unknown: as much as it gets
	Limit  int64 // its own limit in bytes/s; 0 = none
	Weight int64 // its share against others; 0 = 1
}

// probe is the least a torrent is given of a limited rate, in bytes/s, so that one without demand can show that it has some.
const probe = 16 << 10

// Divide shares total (bytes/s, 0 = no limit) among torrents, max-min fair by weight: nobody gets more than it wants while
// another wants more than it gets. What nobody wants is spread over all, so that demand that rises finds room. It appends one
// rate for each demand to dst; 0 = no limit. The rates of limited torrents add up to at most total, unless total is
// too small to give each a single byte.
func Divide(dst []int64, total int64, demands []Demand) []int64 {
	base := len(dst)
	for _, d := range demands {
		dst = append(dst, max(d.Limit, 0))
	}
	if total <= 0 || len(demands) == 0 {
		return dst
	}
	rates := dst[base:]
	least := min(probe, total/int64(len(demands)))
	left := total
	capOf := func(k int) int64 {
		c := total
		if w := demands[k].Want; w >= 0 {
			c = min(c, max(w, least))
		}
		if l := demands[k].Limit; l > 0 {
			c = min(c, l)
		}
		return c
	}
	clear(rates)
	fill(rates, demands, &left, capOf)
	// What is left over goes to everybody up to its own limit: wants are measurements of the past.
	fill(rates, demands, &left, func(k int) int64 {
		if l := demands[k].Limit; l > 0 {
			return min(l, total)
		}
		return total
	})
	for k := range rates {
		rates[k] = max(rates[k], 1) // 0 would mean no limit
	}
	return dst
}

// fill raises all rates together, by weight, until each is at its cap or nothing is left.
func fill(rates []int64, demands []Demand, left *int64, capOf func(k int) int64) {
	for *left > 0 {
		var weights int64
		for k := range rates {
			if rates[k] < capOf(k) {
				weights += max(demands[k].Weight, 1)
			}
		}
		if weights == 0 {
			return
		}
		unit, gave := *left/weights, int64(0)
		for k := range rates {
			room := capOf(k) - rates[k]
			if room <= 0 {
				continue
			}
			add := min(room, max(unit*max(demands[k].Weight, 1), 1), *left-gave)
			rates[k] += add
			gave += add
		}
		*left -= gave
	}
}
