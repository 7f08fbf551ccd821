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
	return &Client{Service: client, addr: addr, close: func() error { return errors.Join(client.Close(), node.Close()) }}, nil
}
