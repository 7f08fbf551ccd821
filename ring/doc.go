// Package ring is eddy's distributed hash table for embedding: a circular table of (key, value) pairs, kept by any number of
// machines that come and go.
//
// Node runs a member of a ring in this process; Dial connects to one elsewhere. Both are a Service, so that a program need not care
// which it has:
//
//	node, err := ring.New(ring.Config{Data: "/var/lib/ring"})   // the first of a ring; others have Join and Token too
//	go node.Run(ctx)
//
//	client, err := ring.Dial(ctx, "10.0.0.5:7000", token)
//	put, err := client.Put(ctx, "title", []byte("address"), ring.PutOptions{})
//	got, err := client.Get(ctx, "title", ring.GetOptions{})
//
// A write returns once W distinct hosts have it on disk. Errors are *Error; its Code tells a missing key (NotFound) from a ring that
// cannot answer for sure (TooFew): the latter never looks like the former. docs/ring.md says what is promised, and what is not.
package ring
