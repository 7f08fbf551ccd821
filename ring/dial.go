package ring

import (
	"context"
	"fmt"
)

// dialRing makes a client of a node's ring address.
func dialRing(_ context.Context, addr, _ string) (*Client, error) {
	return nil, &Error{Code: TooFew, Message: fmt.Sprintf("nothing accepts connections at %s", addr), Hint: "is the node running, and is this the address of its API?"}
}
