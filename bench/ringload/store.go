package main

import (
	"context"

	"github.com/eddy-p2p/eddy/ring"
)

// ringTarget is a ring, asked by the client that every program uses. Client i asks node i, around.
type ringTarget struct {
	nodes []string
	token string
	api   bool // the nodes are addresses of the HTTP interface
}

func (t ringTarget) dial(ctx context.Context, i int) (client, error) {
	addr := t.nodes[i%len(t.nodes)]
	if t.api {
		addr = "http://" + addr
	}
	c, err := ring.Dial(ctx, addr, t.token)
	if err != nil {
		return nil, err
	}
	return ringClient{c}, nil
}

type ringClient struct{ *ring.Client }

func (c ringClient) get(ctx context.Context, key string) ([]byte, error) {
	got, err := c.Get(ctx, key, ring.GetOptions{})
	if err != nil {
		return nil, err
	}
	return got.Value, nil
}

func (c ringClient) put(ctx context.Context, key string, value []byte) error {
	_, err := c.Put(ctx, key, value, ring.PutOptions{})
	return err
}
