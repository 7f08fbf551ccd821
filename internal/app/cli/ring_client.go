package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/ring"
)

// ringTimeout bounds a question to a ring unless --timeout says otherwise.
const ringTimeout = 30 * time.Second

// Environment variables that all commands of the ring read, after those of their own flags.
const (
	ringNodeVariable  = "EDDY_RING_NODE"
	ringTokenVariable = "EDDY_RING_TOKEN"
)

// ringFlags are the flags of every command that asks a node.
type ringFlags struct {
	node      string
	token     string
	tokenFile string
	data      string
	timeout   duration

	prefix string // of the token's flags where they are not the command's only ones: "ring-"
}

func (r *ringFlags) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.node, "node", "", "`ADDR` of a node: its ring address or its API's (default $EDDY_RING_NODE, else the node of --data)")
	f.StringVar(&r.token, "token", "", "`T` that lets in (default $EDDY_RING_TOKEN)")
	f.StringVar(&r.tokenFile, "token-file", "", "read the token from `FILE`, which others on the machine cannot see on the command line")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	f.StringVar(&r.data, "data", "", "`DIR` of a node on this machine, to be asked without a token (default: ring in the state directory)")
	r.timeout = duration(ringTimeout)
	f.Var(&r.timeout, "timeout", "give up after this long; 0 = never")
}

// within bounds ctx by --timeout.
func (r *ringFlags) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(r.timeout))
}

// readToken returns the token of the flags or the environment, "" if there is none.
func (inv *invocation) readToken(token, file string) (string, error) {
	if file == "" {
		return strings.TrimSpace(cmp.Or(token, inv.getenv(ringTokenVariable))), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fail("reading the token from", file, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return "", fail("reading the token from", file, err)
	}
	token = strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, unicode.IsSpace) {
		return "", &Failure{What: "reading the token from", Target: file, Cause: errors.New("want one line with one token"), Code: exitUsage}
	}
	return token, nil
}

const maxTokenFile = 4 << 10

// ringData returns the data directory of the local node.
func (inv *invocation) ringData(flag string) string {
	if flag != "" {
		return flag
	}
	if dir := inv.stateDir(); dir != "" {
		return filepath.Join(dir, "ring")
	}
	return ""
}

// dialRing connects to the node that the flags, the environment or the local node's data directory name.
func (inv *invocation) dialRing(ctx context.Context, r *ringFlags) (*ring.Client, error) {
	token, err := inv.readToken(r.token, r.tokenFile)
	if err != nil {
		return nil, err
	}
	node := r.node
	if node == "" && r.data == "" {
		node = inv.getenv(ringNodeVariable)
	}
	dir := inv.ringData(r.data)
	local, localErr := ring.FindLocal(dir)
	switch {
	case node == "" && errors.Is(localErr, ring.ErrNoLocal):
		return nil, &Failure{What: "finding a ring node", Target: dir, Cause: localErr, Code: exitUsage,
			Hint: "give --node ADDR and --token T of one, or start one with eddy ring node"}
	case node == "" && localErr != nil:
		f := fail("finding a ring node", dir, localErr)
		if errors.Is(localErr, ring.ErrLocalDamaged) {
			f.Hint = "start the node again, which writes it anew, or give --node ADDR and --token T"
		}
		return nil, f
	case node == "" && token == "":
		return local.Dial()
	case node == "":
		node = local.API
	case token == "" && localErr == nil && (node == local.API || node == local.Listen):
		return local.Dial() // who may read its directory needs no token, however the node is named
	case token == "":
		return nil, &Failure{What: "asking the ring node", Target: node, Cause: errors.New("a token is needed"), Code: exitUsage,
			Hint: fmt.Sprintf("give --%stoken, --%[1]stoken-file or %s; eddy ring token new makes one", r.prefix, ringTokenVariable)}
	}
	client, err := ring.Dial(ctx, node, token)
	if err != nil {
		return nil, ringFailure("asking the ring node", node, err)
	}
	return client, nil
}

// withRing runs do with a connected client and the bounded context, and gives the client back.
func (inv *invocation) withRing(ctx context.Context, r *ringFlags, do func(context.Context, *ring.Client) error) error {
	if r.timeout < 0 {
		return usageError("--timeout must not be negative")
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	client, err := inv.dialRing(ctx, r)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(ctx, client)
}

// ringCodes are the exit codes of a ring's errors.
var ringCodes = map[ring.Code]int{
	ring.NotFound: exitNotFound, ring.Conflict: exitConflict, ring.TooFew: exitNetwork, ring.Denied: exitAuth, ring.Invalid: exitUsage,
	ring.TooLarge: exitUsage, ring.Busy: exitNetwork, ring.Failed: exitFailed,
}

// ringFailure makes a Failure of what a ring answers; the target is a key or a node.
func ringFailure(what, target string, err error) error {
	var known *ring.Error
	if !errors.As(err, &known) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		f := fail(what, target, err)
		if errors.Is(err, context.DeadlineExceeded) {
			f.Cause, f.Hint = errors.New("no answer in time"), "give it longer with --timeout"
		}
		return f
	}
	code, ok := ringCodes[known.Code]
	if !ok {
		code = exitFailed
	}
	hint := known.Hint
	if known.Code == ring.Conflict && known.Version != "" {
		hint = strings.TrimPrefix(hint+"; it is at version "+known.Version, "; ")
	}
	return &Failure{What: what, Target: target, Cause: errors.New(known.Message), Hint: hint, Code: code}
}

// ringMeanings is what the codes of commands that ask a ring mean; "" as everywhere.
var ringMeanings = map[int]string{
	exitOK: "", exitFailed: "failed", exitUsage: "",
	exitNotFound:    "the key does not exist: a quorum of its holders says so",
	exitTimeout:     "no answer within --timeout",
	exitNetwork:     "the node cannot be reached, or too few holders answer",
	exitAuth:        "",
	exitConflict:    "the key has another version than --if-version says, or several values",
	exitInterrupted: "", exitTerminated: "",
}

// writing is what the codes of a command that writes mean besides, and those of means.
func writing(means map[int]string) map[int]string {
	all := map[int]string{}
	for _, code := range []int{exitTimeout, exitNetwork} {
		all[code] = ringMeanings[code] + "; the write may have happened all the same"
	}
	maps.Copy(all, means)
	return all
}

// not leaves a code out of a command's help.
const not = "-"

// setRingHelp is setHelp for a command that asks a ring. means has what codes mean to this command alone, and which it cannot end
// with.
func setRingHelp(cmd *cobra.Command, text string, means map[int]string) {
	all := maps.Clone(ringMeanings)
	maps.Copy(all, means)
	maps.DeleteFunc(all, func(_ int, m string) bool { return m == not })
	codes := slices.Sorted(maps.Keys(all))
	setHelp(cmd, text, codes...)
	for _, code := range codes {
		if all[code] != "" {
			explainCode(cmd, code, all[code])
		}
	}
}

// checkRingKey refuses keys that no ring takes.
func checkRingKey(key string) error {
	if key == "" || len(key) > ring.MaxKey {
		return usageError("KEY must have 1 to %d bytes, this one has %d", ring.MaxKey, len(key))
	}
	return nil
}

// refuseEmpty refuses a flag that was given without a version, as a variable of a script that was never set gives it: without its
// condition a write would overwrite what it was to protect.
func refuseEmpty(cmd *cobra.Command, flag string) error {
	if f := cmd.Flags().Lookup(flag); f.Changed && strings.TrimSpace(f.Value.String()) == "" {
		return usageError("--%s is empty: give it a version, or leave it out", flag)
	}
	return nil
}

// checkTTL refuses a --ttl that no ring takes.
func checkTTL(cmd *cobra.Command, ttl duration) error {
	switch {
	case !cmd.Flags().Changed("ttl"):
		return nil
	case ttl <= 0:
		return usageError("--ttl must be more than 0; leave it out to keep for ever")
	case time.Duration(ttl) > ring.MaxTTL:
		return usageError("--ttl must be at most %dh, which is 100 years; leave it out to keep for ever", int(ring.MaxTTL/time.Hour))
	}
	return nil
}

// quoteKey shows a key in messages: as it is where that is one plain word.
func quoteKey(key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) || !utf8.ValidString(key) {
		return fmt.Sprintf("%q", key)
	}
	return key
}

// isText reports whether a value can be shown on a terminal without driving it.
func isText(value []byte) bool {
	return utf8.Valid(value) && !strings.ContainsFunc(string(value), func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	})
}

// showValue renders a value in one line of a list: text as it is, anything else as base64.
func showValue(value []byte) string {
	if isText(value) && !strings.ContainsAny(string(value), "\n\t") {
		return string(value)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(value)
}
