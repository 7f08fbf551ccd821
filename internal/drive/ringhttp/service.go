package ringhttp

import (
	"context"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
)

// Service is what a ring node can be asked. Its errors are *ringapi.Error, or the context's. Keys are any bytes, 1 to
// ringapi.MaxKey of them. All methods may be called at once.
type Service interface {
	// Get reads a key from a quorum of its holders. Concurrent values are a Conflict unless options allow siblings.
	Get(ctx context.Context, key string, options ringapi.GetOptions) (*ringapi.Get, error)

	// Put writes a register, or adds a member to a set; it returns once enough hosts have it on disk.
	Put(ctx context.Context, key string, value []byte, options ringapi.PutOptions) (*ringapi.Put, error)

	// Delete removes a key; ifVersion as in ringapi.PutOptions. Deleting what does not exist is NotFound.
	Delete(ctx context.Context, key string, ifVersion string) (*ringapi.Put, error)

	// Watch calls each with what is there now, unless that is the version since, and then with every change that it sees (quick
	// successions may be told as one). A key that was deleted or has expired is a Get with an empty Version; that it did not
	// exist at the beginning need not be told. It ends with ctx, or with the first error of each.
	Watch(ctx context.Context, key string, since string, each func(*ringapi.Get) error) error

	Status(ctx context.Context) (*ringapi.Status, error)

	// Check walks the ring, and compares what the holders hold.
	Check(ctx context.Context) (*ringapi.Check, error)

	// Leave hands over everything, and then ends the node. It returns when the node has left.
	Leave(ctx context.Context) error

	// NewToken makes a token that admits members, or with client true programs that only use the data. A ttl of 0 is the node's
	// default.
	NewToken(ctx context.Context, ttl time.Duration, client bool) (*ringapi.Token, error)
	RevokeToken(ctx context.Context, id string) error

	// Evict makes the node refuse the one with this ID from now on, and all members within 90 seconds.
	Evict(ctx context.Context, node string) error

	// Rotate replaces the ring's secrets after a theft, and returns a token of the new ones.
	Rotate(ctx context.Context) (*ringapi.Token, error)
}
