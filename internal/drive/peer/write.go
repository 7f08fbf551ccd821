package peer

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// batchBlocks is how many blocks go into one write. 16 was the best of 1, 4, 16 in our measurements: docs/bench.md.
const batchBlocks = 16

// WriteSlab is the size of slab that holds a full batch: 16 blocks with the gaps for their headers.
const WriteSlab = batchBlocks * (orderedLen + 16<<10)

// writeTimeout bounds one write of at most WriteSlab bytes and a few messages: a peer that takes less is not worth its slot.
const writeTimeout = 2 * time.Minute

// write sends what is queued, and a keep-alive when there was nothing for long (BEP 3: two minutes).
func (c *Conn) write() error {
	c.batch = make([]wire.Message, 0, batchBlocks)
	timer := time.NewTimer(c.cfg.KeepAlive)
	defer timer.Stop()
	for {
		sent, err := c.writeSome()
		if err != nil {
			return err
		}
		if sent {
			timer.Reset(c.cfg.KeepAlive)
			continue
		}
		if cause := c.finishing.Load(); cause != nil {
			return *cause
		}
		select {
		case <-c.out.wake:
		case <-timer.C:
			c.Send(&wire.Message{Kind: wire.KeepAlive})
		case <-c.ctx.Done():
			return nil
		}
	}
}

// writeSome writes one batch: all free messages, then blocks and ordered messages in order. It reports whether there was
// anything.
func (c *Conn) writeSome() (bool, error) {
	c.control, c.batch = c.out.take(c.control[:0], c.batch, WriteSlab)
	if len(c.control)+len(c.batch) == 0 {
		return false, nil
	}
	c.bufs = c.bufs[:0]
	if len(c.control) > 0 {
		c.bufs = append(c.bufs, c.control)
	}
	blocks, bytes := 0, int64(0)
	if len(c.batch) > 0 {
		slab, err := c.cfg.WritePool.Get(c.ctx)
		if err != nil {
			return false, err
		}
		defer slab.Release()
		blocks, bytes = c.compose(slab.Bytes)
	}
	if err := c.cfg.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return false, err
	}
	if _, err := c.cfg.Conn.WriteBuffers(c.bufs); err != nil {
		return false, err
	}
	if cap(c.control) > 64<<10 {
		c.control = nil
	}
	if blocks > 0 {
		c.cfg.Handler.Sent(c, blocks, bytes)
	}
	return true, nil
}

// compose lays the batch out in b: messages and piece headers encoded, the blocks read into the gaps between them with
// one vectored read for each run of neighbouring blocks. Blocks that cannot be read are left out and reported.
func (c *Conn) compose(b []byte) (blocks int, bytes int64) {
	start, end := 0, 0 // of the run of b that is ready to be sent
	var gaps [batchBlocks][]byte
	for i := 0; i < len(c.batch); {
		m := &c.batch[i]
		if m.Kind != wire.Piece {
			end += len(wire.Append(b[end:end], *m))
			i++
			continue
		}
		j, n, at := i, 0, end // [i, j) are neighbours in the content
		for next := c.offset(m); j < len(c.batch) && c.batch[j].Kind == wire.Piece && c.offset(&c.batch[j]) == next; j++ {
			p := &c.batch[j]
			wire.AppendPieceHeader(b[at:at], p.Index, p.Begin, p.Length)
			at += wire.PieceHeaderLen
			gaps[n] = b[at : at+int(p.Length)]
			at, n, next = at+int(p.Length), n+1, next+int64(p.Length)
		}
		if err := c.cfg.Handler.ReadContent(gaps[:n], c.offset(m)); err != nil {
			c.cfg.Handler.Unserved(c, c.batch[i:j], err)
			at = end
		} else {
			blocks += n
			for _, g := range gaps[:n] {
				bytes += int64(len(g))
			}
		}
		end, i = at, j
	}
	if end > start {
		c.bufs = append(c.bufs, b[start:end])
	}
	return blocks, bytes
}

func (c *Conn) offset(m *wire.Message) int64 {
	return int64(m.Index)*c.cfg.PieceLength + int64(m.Begin)
}
