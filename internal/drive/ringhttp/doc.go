// Package ringhttp is a ring node's HTTP interface, from both ends.
//
// A Service is what a node can be asked: the interface is the consumer's, so that a node in this process (which has these methods), a
// node far away (Client) and the in-memory one of the tests are interchangeable. Handler serves a Service over HTTP; Client is
// a Service that speaks to such a handler. The documents are internal/format/ringapi's.
//
// The caller's duties:
//
//  1. Say who may do what: Config.Authorize decides per request between nothing, the data and the administration. The
//     handler asks it before anything else and trusts nothing in the request itself.
//  2. Put the handler where its guard fits. On loopback, Config.Hosts must list the names under which it may be asked (DNS
//     rebinding, trust.md 8); on QUIC streams, where the peer is authenticated, it may be nil.
//  3. Bound the connections: the handler bounds what one request can cost, not how many come.
//
// # Requests
//
//	GET    /v1/keys/{key}      the value as the document ringapi.Get; ETag = version
//	         ?trace=1 ?siblings=1 ?sample=N ?at-least=V   as ringapi.GetOptions
//	         ?watch [&since=V]                 server-sent events: each change as an event "change", id = version
//	         Accept: application/octet-stream  the bare value instead of the document
//	HEAD   /v1/keys/{key}      the headers of the bare value
//	PUT    /v1/keys/{key}      the body is the value; ?ttl=90s ?kind=set; If-Match: "V" or If-None-Match: *
//	DELETE /v1/keys/{key}      If-Match: "V"
//	GET    /v1/status, /v1/check, /metrics
//	POST   /v1/leave, /v1/tokens, /v1/evict, /v1/rotate       administration
//	DELETE /v1/tokens/{id}                                    administration
//
// A key is any 1 to ringapi.MaxKey bytes, percent-encoded; "a/b" and "a%2Fb" name the same key, and "." and ".." are keys like
// any other (written %2E and %2E%2E, since many clients take them out of a path). A failed request is answered with the document ringapi.Error and the status of its code.
package ringhttp
