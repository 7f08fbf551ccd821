package ring_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/eddy-p2p/eddy/ring"
)

// A ring of one node in this process, and a program that asks it as it would ask one far away.
func Example() {
	data, err := os.MkdirTemp("", "ring")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	node, err := ring.New(ring.Config{Data: data, Listen: "127.0.0.1:0", Replicas: 1})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()
	<-node.Ready()

	client, err := ring.Dial(ctx, node.Addr().String(), node.Token())
	if err != nil {
		log.Fatal(err)
	}
	put, err := client.Put(ctx, "Led Zeppelin IV", []byte("10.0.0.7"), ring.PutOptions{IfVersion: ring.None})
	if err != nil {
		log.Fatal(err)
	}
	got, err := client.Get(ctx, "Led Zeppelin IV", ring.GetOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, on %d host; the same version: %v\n", got.Value, put.Acks, got.Version == put.Version)

	_, err = client.Get(ctx, "Led Zeppelin V", ring.GetOptions{})
	var failure *ring.Error
	fmt.Println(errors.As(err, &failure) && failure.Code == ring.NotFound)

	client.Close()
	stop()
	fmt.Println(<-ended)
	// Output:
	// 10.0.0.7, on 1 host; the same version: true
	// true
	// <nil>
}

// A set: each member says for how long it counts, and says so again while it is there.
func ExampleService_set() {
	register := func(ctx context.Context, r ring.Service, title, address string) error {
		_, err := r.Put(ctx, title, []byte(address), ring.PutOptions{Set: true})
		return err
	}
	data, err := os.MkdirTemp("", "ring")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	node, err := ring.New(ring.Config{Data: data, Listen: "127.0.0.1:0", Replicas: 1, API: "none"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()
	<-node.Ready()
	for _, address := range []string{"10.0.0.7", "10.0.0.8", "10.0.0.7"} {
		if err := register(ctx, node, "film", address); err != nil {
			log.Fatal(err)
		}
	}
	got, err := node.Get(ctx, "film", ring.GetOptions{Sample: -1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(got.MemberCount, "members")
	stop()
	<-ended
	// Output: 2 members
}
