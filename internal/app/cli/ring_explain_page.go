package cli

import (
	"bytes"
	_ "embed" // the page
	"encoding/json"
	"html/template"
	"strings"

	simring "github.com/eddy-p2p/eddy/internal/sim/ring"
)

// explainPage is the one page of --html. All that it needs is in it: lecture halls have no network.
//
//go:embed ring_explain.html
var explainPage string

// pageData is what the page plays. Nodes are known by their place in Nodes.
type pageData struct {
	Nodes []pageNode `json:"nodes"` // as they are before the first step
	Key   *pageKey   `json:"key"`
	Owner *int       `json:"owner"`
	Steps []pageStep `json:"steps"`
}

type pageNode struct {
	Label  string  `json:"label"`
	At     float64 `json:"at"` // how far around the ring, 0 up to 1
	Absent bool    `json:"absent"`
	Dead   bool    `json:"dead"`
	pageView
}

type pageView struct {
	Predecessor *int  `json:"predecessor"`
	Successors  []int `json:"successors"`
	Shortcuts   []int `json:"shortcuts"`
}

type pageKey struct {
	Label string  `json:"label"`
	At    float64 `json:"at"`
}

type pageStep struct {
	At    float64   `json:"t"`
	Node  int       `json:"node"`
	Event string    `json:"event"`
	To    *int      `json:"to"`
	Hop   int       `json:"hop"`
	Lost  bool      `json:"lost"`
	Dies  bool      `json:"dies"`
	Joins bool      `json:"joins"`
	View  *pageView `json:"view"` // what the node knows from then on
}

// page makes the page of an explanation.
func (x *ringExplain) page(a *simring.Account) ([]byte, error) {
	data := pageData{Nodes: []pageNode{}, Steps: []pageStep{}}
	number := map[simring.Position]int{}
	for i, k := range a.Before {
		number[k.Node.At] = i
	}
	view := func(k *simring.Known) pageView {
		v := pageView{Successors: []int{}, Shortcuts: []int{}}
		if k.Predecessor != nil {
			p := number[*k.Predecessor]
			v.Predecessor = &p
		}
		for _, id := range k.Successors {
			v.Successors = append(v.Successors, number[id])
		}
		for _, id := range k.Shortcuts {
			v.Shortcuts = append(v.Shortcuts, number[id])
		}
		return v
	}
	for _, k := range a.Before {
		data.Nodes = append(data.Nodes, pageNode{x.label(k.Node.At), simring.Around(k.Node.At), k.Absent, false, view(&k)})
	}
	if x.lesson.Key != nil {
		data.Key = &pageKey{"key " + x.label(*x.lesson.Key), simring.Around(*x.lesson.Key)}
	}
	if a.Found {
		owner := number[a.Owner.At]
		data.Owner = &owner
	}
	for _, s := range a.Steps {
		step := pageStep{At: s.At.Seconds(), Node: number[s.Node], Event: s.Event, Hop: s.Hop, Lost: s.Lost, Dies: s.Dies, Joins: s.Joins}
		if s.To != nil {
			to := number[*s.To]
			step.To = &to
		}
		if s.Now != nil {
			v := view(s.Now)
			step.View = &v
		}
		data.Steps = append(data.Steps, step)
	}
	return x.render(data, strings.Join(fields(x.answer(a)), "; "))
}

// fields makes the lines of a table to phrases.
func fields(table string) []string {
	lines := strings.Split(table, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return lines
}

func (x *ringExplain) render(data pageData, answer string) ([]byte, error) {
	text, err := json.Marshal(data) // with < and > escaped, so that no name ends the script
	if err != nil {
		return nil, err
	}
	page, err := template.New("page").Parse(explainPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, struct {
		Title, Answer string
		Data          template.JS
	}{x.title(), answer, template.JS(text)}) //nolint:gosec // escaped above
	return b.Bytes(), err
}
