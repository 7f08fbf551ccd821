package ringwire

// MemberState is what a ring knows about one of its hosts.
type MemberState uint8

const (
	Alive MemberState = iota + 1
	Left              // by its own will
	Dead              // several probes went without an answer
)

var memberStates = [...]string{"unknown", "alive", "left", "dead"}

func (s MemberState) String() string {
	if int(s) < len(memberStates) {
		return memberStates[s]
	}
	return "unknown"
}

// Member is one host's entry in the membership. Of two entries of one host the later incarnation counts; of two with the same incarnation
// the greater state (as in SWIM: only the host itself takes its death back, by the next incarnation).
type Member struct {
	Host        Host
	Incarnation uint32
	State       MemberState
}

// Supersedes reports whether m is news to somebody who knows old of the same host.
func (m Member) Supersedes(old Member) bool {
	if m.Incarnation != old.Incarnation {
		return Later(m.Incarnation, old.Incarnation)
	}
	return m.State > old.State
}

// Later reports whether incarnation a comes after b. They go around (RFC 1982), so that each has a next one: a member that claims another's death in the
// last one there is would otherwise have the last word.
func Later(a, b uint32) bool { return int32(a-b) > 0 }
