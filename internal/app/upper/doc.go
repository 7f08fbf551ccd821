// Package upper is the chapter's socket example as real programs: a client sends a line, a server sends it back in upper
// case, over UDP or TCP. docs/sockets.md walks through the code, which is meant to be read:
//
//   - case.go: the upper case of a stream that is cut anywhere
//   - udp_server.go, udp_client.go: datagrams, which may be lost
//   - tcp_server.go, tcp_client.go: connections, which have no borders between messages
//
// Servers take a socket and serve it until their context ends, as net/http does. Clients send one sentence.
package upper
