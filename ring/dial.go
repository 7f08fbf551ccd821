package ring

import (
	"context"
	"errors"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/drive/ringnode"
)

// dialRing makes a client of a node's ring address, where both sides have proven that they belong to the ring.
func dialRing(ctx context.Context, addr, token string) (*Client, error) {
	node, err := ringnode.Dial(ctx, addr, token)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	client, err := ringhttp.NewClient(ringhttp.ClientConfig{Dial: node.Stream, Node: addr})
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return &Client{Service: &remote{client, node}, addr: addr, close: func() error { return errors.Join(client.Close(), node.Close()) }}, nil
}

// remote is a node's service over QUIC: keys are read and written by calls on a standing stream, at a fraction of an HTTP request's cost;
// everything else, and reads that want a trace, go by HTTP on streams of the same connection.
type remote struct {
	*ringhttp.Client
	node *ringnode.Client
}

// Get implements Service.
func (r *remote) Get(ctx context.Context, key string, options GetOptions) (*Get, error) {
	if options.Trace {
		return r.Client.Get(ctx, key, options)
	}
	return r.node.Get(ctx, key, options)
}

// Put implements Service.
func (r *remote) Put(ctx context.Context, key string, value []byte, options PutOptions) (*Put, error) {
	return r.node.Put(ctx, key, value, options)
}

// Delete implements Service.
func (r *remote) Delete(ctx context.Context, key string, ifVersion string) (*Put, error) {
	return r.node.Delete(ctx, key, ifVersion)
}
