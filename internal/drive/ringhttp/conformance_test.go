package ringhttp_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

// byToken gives what the test's three tokens are for.
func byToken(r *http.Request) ringhttp.Level {
	switch ringhttp.Bearer(r) {
	case "member":
		return ringhttp.Admin
	case "client":
		return ringhttp.Data
	}
	return ringhttp.Nobody
}

// serve runs a handler on a loopback port for as long as the test lasts.
func serve(t testing.TB, service ringhttp.Service, config ringhttp.Config) *httptest.Server {
	t.Helper()
	if config.Authorize == nil {
		config.Authorize = byToken
	}
	handler, err := ringhttp.NewHandler(service, config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// dial returns a client of a server.
func dial(t testing.TB, server *httptest.Server, token string) *ringhttp.Client {
	t.Helper()
	address := strings.TrimPrefix(server.URL, "http://")
	client, err := ringhttp.NewClient(ringhttp.ClientConfig{
		Dial:  func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) },
		Token: token, Node: address,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestMemoryConforms(t *testing.T) { conformance.Run(t, &conformance.Memory{}, "direct ") }

// Client and Handler change nothing of a service.
func TestClientConforms(t *testing.T) {
	conformance.Run(t, dial(t, serve(t, &conformance.Memory{}, ringhttp.Config{}), "member"), "http ")
}
