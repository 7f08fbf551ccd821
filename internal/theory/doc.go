// Package theory holds the mathematics of file distribution: the least time in which one server and any number of
// receivers can finish, by itself (client-server) or by passing pieces on to each other (P2P).
//
// It is pure arithmetic and imports nothing of ours. Sizes are bytes, rates are bytes a second, times are seconds; any
// other consistent pair of units works as well. The network core is taken to be never the bottleneck: only access links are.
//
//   - distribution.go: the bounds, and which link sets them; schedule.go: who sends what to whom to attain the P2P bound;
//   - pieces.go: what pieces that are passed on only whole add to it;
//   - deadline.go: the same questions asked backwards, and from how many receivers on P2P wins;
//   - fluid.go: models of swarms in which peers come and go.
//
// Sources: Kurose and Ross, "Computer Networking", the chapter on peer-to-peer file distribution; Kumar and Ross,
// "Peer-Assisted File Distribution: The Minimum Distribution Time" (2006), which shows that the P2P bound is attained exactly by
// a fluid schedule.
package theory
