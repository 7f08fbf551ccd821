package scenario

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed shipped/*.toml
var files embed.FS

// Shipped lists the names of the scenarios that come with the program, in alphabetical order.
func Shipped() []string {
	entries, err := files.ReadDir("shipped")
	if err != nil {
		panic(err) // it is part of the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".toml"))
	}
	slices.Sort(out)
	return out
}

// Load returns a scenario that comes with the program.
func Load(name string) (*Scenario, error) {
	text, err := Source(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, text, nil)
}

// Source returns the TOML of a scenario that comes with the program, to read and to start one's own from.
func Source(name string) ([]byte, error) {
	text, err := files.ReadFile("shipped/" + name + ".toml")
	if err != nil {
		return nil, fmt.Errorf("no scenario %q: there are %s", name, strings.Join(Shipped(), ", "))
	}
	return text, nil
}
