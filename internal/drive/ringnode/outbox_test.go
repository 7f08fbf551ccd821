package ringnode

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// fakeStream takes what is written, at once or not.
type fakeStream struct {
	mu       sync.Mutex
	got      bytes.Buffer
	full     func() bool // TryWriteAll must wait
	inWrite  chan struct{}
	goOn     chan struct{}
	written  atomic.Int64
	directly atomic.Int64
}

func (s *fakeStream) TryWriteAll(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		return errors.New("would block")
	}
	s.directly.Add(1)
	s.got.Write(p)
	return nil
}

func (s *fakeStream) Write(p []byte) (int, error) {
	if s.inWrite != nil {
		s.inWrite <- struct{}{}
		<-s.goOn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written.Add(1)
	return s.got.Write(p)
}

func number(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

// numbers reads the frames that arrived.
func (s *fakeStream) numbers(t *testing.T) (out []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := bufio.NewReader(bytes.NewReader(s.got.Bytes()))
	for {
		_, payload, err := ringwire.ReadFrame(in, 1<<20, nil)
		if err == io.EOF {
			return out
		}
		if err != nil || len(payload) < 8 {
			t.Fatalf("a frame of %d bytes, %v", len(payload), err)
		}
		out = append(out, binary.BigEndian.Uint64(payload))
	}
}

// Frames leave in the order in which they were posted, whoever writes them, and each of them does once the stream takes more.
func TestOutboxOrder(t *testing.T) {
	o := newOutbox(nil, dataQueue, ringwire.MaxDataFrame)
	var total atomic.Int64
	o.total = &total
	turn := 0
	s := &fakeStream{full: func() bool { turn++; return turn%3 == 0 }}
	post := func(n uint64, size int) {
		if !o.post(frameMessage, func(_ *namer, b []byte) []byte { return append(number(b, n), make([]byte, size)...) }) {
			t.Errorf("frame %d was refused", n)
		}
		o.flush()
	}
	post(0, 0) // before there is a stream
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := o.write(s, done, func(int) {}); err != nil {
			t.Error(err)
		}
	})
	const each, posters = 300, 4
	var all sync.WaitGroup
	for p := range uint64(posters) {
		all.Go(func() {
			for i := range uint64(each) {
				post(1+p*each+i, int(i%7)*4000) // some are too long for flush
			}
		})
	}
	all.Wait()
	var got []uint64
	for len(got) < 1+posters*each { // ends, or the test's time is over
		got = s.numbers(t)
	}
	close(done)
	writer.Wait()
	last := map[uint64]uint64{}
	for _, n := range got[1:] {
		p := (n - 1) / each
		if n <= last[p] {
			t.Fatalf("frame %d came after %d", n, last[p])
		}
		last[p] = n
	}
	if got[0] != 0 || len(got) != 1+posters*each || total.Load() != 0 {
		t.Errorf("%d frames, the first %d, %d bytes are still counted", len(got), got[0], total.Load())
	}
	if s.directly.Load() == 0 || s.written.Load() < 2 {
		t.Errorf("%d writes by flush, %d by the writer: the test shows nothing", s.directly.Load(), s.written.Load())
	}
}

// What is posted while the writer waits in the middle of older frames comes after them.
func TestOutboxBehindTheWriter(t *testing.T) {
	o := newOutbox(nil, dataQueue, ringwire.MaxDataFrame)
	full := atomic.Bool{}
	full.Store(true)
	s := &fakeStream{full: full.Load, inWrite: make(chan struct{}), goOn: make(chan struct{})}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { _ = o.write(s, done, func(int) {}) })
	post := func(n uint64) {
		o.post(frameMessage, func(_ *namer, b []byte) []byte { return number(b, n) })
		o.flush()
	}
	post(1)
	<-s.inWrite
	full.Store(false)
	post(2)
	if s.directly.Load() != 0 {
		t.Error("a frame has overtaken one that is being written")
	}
	s.goOn <- struct{}{}
	<-s.inWrite // nobody else wakes the writer for what came meanwhile
	s.goOn <- struct{}{}
	close(done)
	writer.Wait()
	if got := s.numbers(t); len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("arrived: %d", got)
	}
}
