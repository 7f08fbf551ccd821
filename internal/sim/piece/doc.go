// Package piece simulates swarms piece by piece: a million peers on one core. Every decision is the live code's: which piece comes next
// is package pick's (pick.Sliced, an availability view for those who have all bitfields at hand), to whom a
// peer uploads is package choke's, with the ranks and the order of the peer's policy. Sockets, blocks and messages are what is left
// out, and in their place stands the model of Model:
//
//   - A transfer is one piece from one peer to another. An uploader sends one at a time, at all of its rate that the receiver can
//     take, to the peer whose turn it is (the one that was served least, as the live limited uplink chooses). What the
//     receiver cannot take is spent on the next one beside it. Rates are never shared out below what they started
//     with, so nothing ripples; what becomes free speeds up transfers that were held back by it.
//   - Requests are pipelined, so a busy uplink loses no round trip. An idle one waits for what messages take: a Have and
//     a request to a peer that has a slot, an unchoke and a request more to one that had none. A piece arrives one latency
//     after its last byte was sent.
//   - The blocks that nobody else was asked for, and all blocks once nothing is left to be started (the end-game), are shared
//     with uploaders that would stand idle: the rest of the piece is split so that both finish together. Doubled blocks of the
//     end-game, and what they waste, are not simulated.
//   - A piece that is cut off by a choke, or because its sender left, is a started one: what has come of it is kept.
//   - The peers' rates are averages over 15 to 20 s in cells of 5 s, where the live meters have cells of 1 s.
//   - Peers know at once what their neighbours have, and who is gone; a failed peer's connections are reset.
//   - It makes no difference who shapes the traffic: scenario.ByLink is treated as scenario.ByLimit.
package piece

// Model says in one sentence how bandwidth is simulated.
const Model = "piece by piece: an uploader sends one piece at a time at its full rate, as far as the receiver's download rate allows, " +
	"and a piece arrives one latency after it was sent"
