package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A setting comes from the first of these that has it: flag, environment, configuration file, default.
//
// The file is TOML. Its top level holds the global flags, a table named after a command holds that command's own:
//
//	progress = "plain"
//	[get]
//	dir = "/srv/images"
//	limit-up = "50MB"
//
// The environment variable of a global flag is EDDY_LOG_FORMAT, of a command's flag EDDY_GET_LIMIT_UP. An empty variable counts
// as not set. A list in the environment is split at spaces. Commands of a command have [upper.serve] and EDDY_UPPER_SERVE_LISTEN.

// exclusiveAnnotation is where cobra keeps the groups of flags that exclude each other.
const exclusiveAnnotation = "cobra_annotation_mutually_exclusive"

// notInFile are flags that a configuration file cannot set.
var notInFile = []string{"help", "config"}

// applySettings fills the flags of cmd that were not given, first from the environment, then from the file.
func (inv *invocation) applySettings(cmd *cobra.Command) error {
	err := fill(cmd, func(f *pflag.Flag) ([]string, error) {
		value := inv.getenv(envName(cmd, f))
		if _, isList := f.Value.(*list); isList || value == "" {
			return strings.Fields(value), nil
		}
		return []string{value}, nil
	}, func(f *pflag.Flag) string { return "environment variable " + envName(cmd, f) })
	if err != nil {
		return err
	}
	path, tree, err := inv.readFile(cmd.Root())
	if err != nil {
		return &Failure{What: "reading the configuration", Target: path, Cause: bare(err, path), Code: exitUsage}
	}
	table := tree
	for _, name := range namesOf(cmd) {
		table, _ = table[name].(map[string]any)
	}
	return fill(cmd, func(f *pflag.Flag) ([]string, error) {
		from := table
		if isGlobal(cmd, f) {
			from = tree
		}
		value, ok := from[f.Name]
		if !ok {
			return nil, nil
		}
		return texts(value)
	}, func(f *pflag.Flag) string { return f.Name + " of " + path })
}

// setValue sets f, with words of our own for what strconv says of booleans and numbers.
func setValue(f *pflag.Flag, value string) error {
	err := f.Value.Set(value)
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err
	}
	if f.Value.Type() == "bool" {
		return fmt.Errorf("%q is neither true nor false", value)
	}
	return fmt.Errorf("%q is not a number", value)
}

// readFile returns the configuration, checked for keys that mean nothing; nil when there is no file and none was named.
func (inv *invocation) readFile(root *cobra.Command) (path string, tree map[string]any, err error) {
	path, explicit := inv.configPath()
	if path == "" {
		return path, nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return path, nil, nil
	}
	if err != nil {
		return path, nil, err
	}
	if err := toml.Unmarshal(text, &tree); err != nil {
		return path, nil, err
	}
	return path, tree, checkKeys(root, tree)
}

// fill sets, in one layer, the flags of cmd that no higher layer decided to the values that lookup finds. They count as given
// only once the layer is through, so that two flags of one layer that exclude each other are noticed.
func fill(cmd *cobra.Command, lookup func(*pflag.Flag) ([]string, error), origin func(*pflag.Flag) string) error {
	var filled []*pflag.Flag
	for _, f := range flagsOf(cmd) {
		if decided(cmd, f) {
			continue
		}
		values, err := lookup(f)
		for i := 0; i < len(values) && err == nil; i++ {
			err = setValue(f, values[i])
		}
		if err != nil {
			return &Failure{What: "setting " + origin(f), Cause: err, Code: exitUsage}
		}
		if len(values) > 0 {
			filled = append(filled, f)
		}
	}
	for _, f := range filled {
		f.Changed = true
	}
	return nil
}

// configPath returns the file to read, and whether the user named it (then it must exist).
func (inv *invocation) configPath() (path string, explicit bool) {
	if inv.global.config != "" {
		return inv.global.config, true
	}
	if dir := inv.directory("CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", ".config"); dir != "" {
		return filepath.Join(dir, "eddy.toml"), false
	}
	return "", false
}

// directory returns eddy's directory of one kind: what systemd gives the service, else $XDG_.../eddy, else ~/fallback/eddy.
// It is "" where there is not even a home.
func (inv *invocation) directory(systemd, xdg, fallback string) string {
	if first, _, _ := strings.Cut(inv.getenv(systemd), ":"); first != "" {
		return first
	}
	if base := inv.getenv(xdg); filepath.IsAbs(base) { // the XDG rules say to ignore relative ones
		return filepath.Join(base, "eddy")
	}
	if home := inv.getenv("HOME"); home != "" {
		return filepath.Join(home, fallback, "eddy")
	}
	return ""
}

// stateDir is where what must survive is kept.
func (inv *invocation) stateDir() string {
	if inv.global.state != "" {
		return inv.global.state
	}
	return inv.directory("STATE_DIRECTORY", "XDG_STATE_HOME", filepath.Join(".local", "state"))
}

// cacheDir is where hashes of unchanged files are kept, so that sharing again need not read them.
func (inv *invocation) cacheDir() string {
	return inv.directory("CACHE_DIRECTORY", "XDG_CACHE_HOME", ".cache")
}

// flagsOf returns the flags of cmd, its own and the global ones.
func flagsOf(cmd *cobra.Command) []*pflag.Flag {
	var flags []*pflag.Flag
	collect := func(f *pflag.Flag) {
		if f.Name != "help" {
			flags = append(flags, f)
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(collect)
	cmd.Root().PersistentFlags().VisitAll(collect)
	return flags
}

// isGlobal reports whether f is one of the global flags.
func isGlobal(cmd *cobra.Command, f *pflag.Flag) bool {
	return cmd.Root().PersistentFlags().Lookup(f.Name) == f
}

// decided reports whether f, or another flag of a group of which only one may be given, is set by a higher layer.
func decided(cmd *cobra.Command, f *pflag.Flag) bool {
	if f.Changed {
		return true
	}
	for _, group := range f.Annotations[exclusiveAnnotation] {
		for name := range strings.FieldsSeq(group) {
			if other := cmd.Flags().Lookup(name); other != nil && other.Changed {
				return true
			}
		}
	}
	return false
}

// checkExclusive refuses flags that exclude each other, wherever they were set: cobra's words for it name lists of lists.
func checkExclusive(cmd *cobra.Command) error {
	for _, f := range flagsOf(cmd) {
		for _, group := range f.Annotations[exclusiveAnnotation] {
			var given []string
			for name := range strings.FieldsSeq(group) {
				if other := cmd.Flags().Lookup(name); other != nil && other.Changed {
					given = append(given, "--"+name)
				}
			}
			if n := len(given) - 1; n > 0 {
				return usageError("%s and %s exclude each other; give one of them", strings.Join(given[:n], ", "), given[n])
			}
		}
	}
	return nil
}

// namesOf returns the names that lead from eddy to cmd, like upper and serve.
func namesOf(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

// envName returns the variable of a flag: EDDY_STATE, EDDY_GET_LIMIT_UP.
func envName(cmd *cobra.Command, f *pflag.Flag) string {
	name := f.Name
	if !isGlobal(cmd, f) {
		name = strings.Join(append(namesOf(cmd), name), "-")
	}
	return "EDDY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// texts turns a TOML value into what would stand on the command line.
func texts(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}, nil
	case []any:
		var all []string
		for _, item := range v {
			one, err := texts(item)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	return nil, errors.New("want a text, a number, true, false or a list of these")
}

// checkKeys refuses a key that no command knows: a misspelt limit that is silently ignored would cost somebody's line.
func checkKeys(root *cobra.Command, tree map[string]any) error {
	for _, key := range sortedKeys(tree) {
		table, isTable := tree[key].(map[string]any)
		if !isTable {
			if !settable(root.PersistentFlags(), key) {
				return unknownKey(key, root.PersistentFlags())
			}
			continue
		}
		if err := checkTable(root, key, key, table); err != nil {
			return err
		}
	}
	return nil
}

// checkTable checks the table of the command that parent has under a name; path is the table's name in full.
func checkTable(parent *cobra.Command, name, path string, table map[string]any) error {
	i := slices.IndexFunc(parent.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
	if i < 0 {
		return fmt.Errorf("unknown table [%s]: tables are named after commands", path)
	}
	cmd := parent.Commands()[i]
	flags := cmd.LocalNonPersistentFlags()
	for _, key := range sortedKeys(table) {
		if sub, isTable := table[key].(map[string]any); isTable {
			if err := checkTable(cmd, key, path+"."+key, sub); err != nil {
				return err
			}
		} else if !settable(flags, key) {
			return unknownKey(path+"."+key, flags)
		}
	}
	return nil
}

func settable(flags *pflag.FlagSet, name string) bool {
	return flags.Lookup(name) != nil && !slices.Contains(notInFile, name)
}

func unknownKey(key string, flags *pflag.FlagSet) error {
	var known []string
	flags.VisitAll(func(f *pflag.Flag) {
		if settable(flags, f.Name) {
			known = append(known, f.Name)
		}
	})
	return fmt.Errorf("unknown key %q; known here: %s", key, strings.Join(known, ", "))
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
