package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/ring"
)

// ringPut is the state of `eddy ring put`.
type ringPut struct {
	inv *invocation
	ringFlags
	ttl       duration
	ifVersion string
	set       bool
}

func newRingPut(inv *invocation) *cobra.Command {
	p := &ringPut{inv: inv}
	cmd := &cobra.Command{
		Use:   "put KEY [VALUE]",
		Short: "store a value under a key; prints its version",
		Example: `  eddy ring put 'Led Zeppelin IV' 10.0.0.7
  eddy ring put logo < logo.png
  eddy ring put counter 8 --if-version "$VERSION"
  eddy ring put alice 192.0.2.7:5060 --ttl 10m
  eddy ring put 'Led Zeppelin IV' 10.0.0.7 --set`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return errors.New("want KEY and VALUE, or KEY alone and the value on stdin")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(checkTTL(cmd, p.ttl), refuseEmpty(cmd, "if-version")); err != nil {
				return err
			}
			return p.run(cmd.Context(), args)
		},
	}
	p.define(cmd)
	f := cmd.Flags()
	f.Var(&p.ttl, "ttl", "the value goes after this time (default never)")
	f.StringVar(&p.ifVersion, "if-version", "", "only if the key still has version `V`, or does not exist: none")
	f.BoolVar(&p.set, "set", false, "add the value as a member of a set, in which each member has a TTL of its own")
	setRingHelp(cmd, `
Store a value, or without VALUE what is on stdin: any bytes, to 1 MiB. It is done when enough distinct hosts have it on disk; the version
that it then has is printed. With it --if-version makes sure that nobody's change is overwritten unseen.

A key holds either one value, or with --set up to 1,000 members. Where two programs write at once without --if-version, both values are
kept, as siblings, until somebody puts what they should become.`, writing(map[int]string{exitNotFound: not}))
	return cmd
}

func (p *ringPut) run(ctx context.Context, args []string) error {
	key := args[0]
	if err := checkRingKey(key); err != nil {
		return err
	}
	var value []byte
	if len(args) == 2 {
		value = []byte(args[1])
	} else {
		var err error
		if value, err = p.readValue(ctx); err != nil {
			return err
		}
	}
	if len(value) > ring.MaxValue {
		return &Failure{What: "storing", Target: quoteKey(key), Cause: errors.New("the value is larger than 1 MiB"),
			Hint: "share it with eddy share --ring ADDR --publish NAME, and let the ring hold the name", Code: exitUsage}
	}
	return p.inv.withRing(ctx, &p.ringFlags, func(ctx context.Context, client *ring.Client) error {
		put, err := client.Put(ctx, key, value, ring.PutOptions{TTL: time.Duration(p.ttl), IfVersion: p.ifVersion, Set: p.set})
		if err != nil {
			return ringFailure("storing", quoteKey(key), err)
		}
		return p.inv.tellWrite(put, "stored on")
	})
}

// readValue reads stdin, one byte further than a value may be long, or returns when ctx is done: a read from a keyboard cannot be
// ended.
func (p *ringPut) readValue(ctx context.Context) ([]byte, error) {
	if isTerminal(p.inv.In) {
		p.inv.say("type the value, and end it with Ctrl-D")
	}
	type input struct {
		value []byte
		err   error
	}
	read := make(chan input, 1)
	go func() {
		if p.inv.In == nil {
			read <- input{nil, errors.New("there is none")}
			return
		}
		value, err := io.ReadAll(io.LimitReader(p.inv.In, ring.MaxValue+1))
		read <- input{value, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case in := <-read:
		if in.err != nil {
			return nil, fail("reading the value from", "stdin", in.err)
		}
		return in.value, nil
	}
}

// tellWrite prints what a write achieved: its version on stdout, and on stderr who has it.
func (inv *invocation) tellWrite(put *ring.Put, done string) error {
	if put.Replicas == nil {
		put.Replicas = []string{}
	}
	if inv.global.json {
		return inv.events.document(put)
	}
	where := units.Plural(put.Acks, "host")
	if put.Holders > 0 {
		where = fmt.Sprintf("%d of %s", put.Acks, units.Plural(put.Holders, "holder"))
	}
	inv.say(done + " " + where)
	if _, err := fmt.Fprintln(inv.Out, put.Version); err != nil {
		return failOutput("writing the result to", err)
	}
	return nil
}
