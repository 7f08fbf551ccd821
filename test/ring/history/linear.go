package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Linearizable holds promise 5: there is an order of the operations on each key, each at one moment between its invocation and its
// return, in which they mean what they were told. The value is a register with siblings: a write replaces what is there, but may leave
// what other writes put there that overlap with it, since neither knew of the other. Of a conditional write: what it
// overwrites without naming it must overlap with it too. Unknown operations may take place at any time or never. limit bounds the search a history.
func Linearizable(ops []Op, limit time.Duration) error {
	byKey := map[string][]porcupine.Operation{}
	var keys []string
	writes := map[string]int{}
	for i, op := range ops {
		if op.Kind == Put {
			writes[op.Value] = i
		}
	}
	for i, op := range ops {
		if byKey[op.Key] == nil {
			keys = append(keys, op.Key)
		}
		if op.Kind == Get && op.Outcome != OK && op.Outcome != NotFound {
			continue // told nothing
		}
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{ClientId: op.Client, Input: i, Output: i, Call: op.Invoke, Return: op.Return})
	}
	m := registers{ops: ops, writes: writes}
	model := porcupine.NondeterministicModel{Init: func() []any { return []any{""} }, Step: m.step,
		Equal: func(a, b any) bool { return a == b }}
	for _, key := range keys {
		switch porcupine.CheckOperationsTimeout(model.ToModel(), byKey[key], limit) {
		case porcupine.Illegal:
			return fmt.Errorf("the history of key %s is not linearizable (5)", key)
		case porcupine.Unknown:
			return fmt.Errorf("whether the history of key %s is linearizable was not decided within %s", key, limit)
		}
	}
	return nil
}

// registers is the sequential meaning. A state is the numbers of the writes that are there, sorted, as text: Puts, whose values a read returns,
// and Deletes, which only show in that the version is another one.
type registers struct {
	ops    []Op
	writes map[string]int
}

func parseState(s string) (present []int) {
	for _, f := range strings.Fields(s) {
		n, _ := strconv.Atoi(f)
		present = append(present, n)
	}
	return present
}

func formatState(present []int) string {
	slices.Sort(present)
	return strings.Trim(fmt.Sprint(present), "[]")
}

func (m *registers) step(state, input, _ any) []any {
	present, i := parseState(state.(string)), input.(int)
	op := &m.ops[i]
	switch {
	case op.Kind == Get:
		if m.same(m.visible(present), op.Values) {
			return []any{state}
		}
		return nil
	case op.Outcome == Unknown:
		return append(m.write(present, i), state)
	case op.Outcome == OK:
		return m.write(present, i)
	case op.Outcome == NotFound: // of a delete
		if len(m.visible(present)) == 0 {
			return []any{state}
		}
		return nil
	case op.Outcome == Conflict && op.If == "none" && len(m.visible(present)) == 0, op.Outcome == Conflict && op.If != "none" && m.same(present, op.IfSeen):
		return nil
	}
	return []any{state} // refused
}

// visible is the Puts among them.
func (m *registers) visible(present []int) (puts []int) {
	for _, p := range present {
		if m.ops[p].Kind == Put {
			puts = append(puts, p)
		}
	}
	return puts
}

// same reports whether exactly the values are there.
func (m *registers) same(present []int, values []string) bool {
	if len(present) != len(values) {
		return false
	}
	for _, v := range values {
		if !slices.Contains(present, m.index(v)) {
			return false
		}
	}
	return true
}

func (m *registers) index(value string) int {
	if i, ok := m.writes[value]; ok {
		return i
	}
	return -1
}

// write is the states after write i.
func (m *registers) write(present []int, i int) (states []any) {
	op := &m.ops[i]
	var overlap []int
	for _, p := range present {
		if w := &m.ops[p]; w.Return >= op.Invoke && op.Return >= w.Invoke {
			overlap = append(overlap, p)
		} else if w.Kind == Delete {
			continue
		} else if op.If == "none" || op.If != "" && !slices.Contains(op.IfSeen, w.Value) {
			return nil // its condition did not hold
		}
	}
	for set := range 1 << len(overlap) {
		var next []int
		for b, p := range overlap {
			if set>>b&1 != 0 {
				next = append(next, p)
			}
		}
		next = append(next, i)
		states = append(states, formatState(next))
	}
	return states
}
