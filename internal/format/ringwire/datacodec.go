package ringwire

import (
	"encoding/binary"
	"fmt"
)

// Which fields a Data carries; the rest is zero.
const (
	dataFilter = 1 << iota
	dataSure
	dataLapsed
	dataSame
	dataOp
	dataMembers
	dataKey
	dataMember
	dataDigest
	dataRecord
	dataArc
	dataSums
	dataItems
	dataClaim
	dataFresh
	dataGroup
	dataFields // one more than the greatest
)

// fields says which fields are not zero. Arc and Prefix belong together, and to the questions of a tree.
func (d *Data) fields() (fields int) {
	for _, f := range []struct {
		has bool
		bit int
	}{
		{d.Filter, dataFilter}, {d.Sure, dataSure}, {d.Lapsed, dataLapsed}, {d.Same, dataSame}, {d.Op != 0, dataOp},
		{d.Members != 0, dataMembers}, {d.Key != "", dataKey}, {d.Member != Digest{}, dataMember}, {d.Digest != Digest{}, dataDigest},
		{d.Record != nil, dataRecord}, {d.Kind == DataTree, dataArc}, {len(d.Sums) > 0, dataSums}, {len(d.Items) > 0, dataItems},
		{d.Claim, dataClaim}, {d.Fresh, dataFresh}, {d.Group != 0, dataGroup},
	} {
		if f.has {
			fields |= f.bit
		}
	}
	return fields
}

// Append appends the message: kind, status, which fields it has, these fields.
func (d *Data) Append(b []byte) []byte {
	b = append(b, byte(d.Kind), byte(d.Status))
	b = binary.AppendUvarint(b, uint64(d.fields()))
	if d.Op != 0 {
		b = binary.AppendUvarint(b, d.Op)
	}
	if d.Group != 0 {
		b = append(b, d.Group)
	}
	if d.Members != 0 {
		b = binary.AppendUvarint(b, uint64(d.Members))
	}
	if d.Key != "" {
		b = AppendBytes(b, []byte(d.Key))
	}
	for _, digest := range []Digest{d.Member, d.Digest} {
		if digest != (Digest{}) {
			b = append(b, digest[:]...)
		}
	}
	if d.Record != nil {
		b = d.Record.Append(b)
	}
	if d.Kind == DataTree {
		b = append(append(b, d.Arc.Lo[:]...), d.Arc.Hi[:]...)
		b = append(append(b, d.Prefix.ID[:]...), d.Prefix.Depth)
	}
	for i := range d.Sums {
		b = binary.AppendUvarint(b, uint64(d.Sums[i].Count))
		for _, w := range d.Sums[i].Total {
			b = appendUint64(b, w)
		}
	}
	if len(d.Items) > 0 {
		b = binary.AppendUvarint(b, uint64(len(d.Items)))
		for _, item := range d.Items {
			b = append(AppendBytes(b, []byte(item.Key)), item.Digest[:]...)
		}
	}
	return b
}

// Branches is how many sums a node of the digest tree has.
const Branches = 16

// ParseData reads a message; it aliases nothing.
func ParseData(b []byte) (*Data, error) {
	r := NewReader(b)
	d := &Data{Kind: DataKind(r.Byte()), Status: DataStatus(r.Byte())}
	fields := r.Uvarint()
	if d.Kind < DataRead || d.Kind > DataLeaving || d.Status > StatusBroken || fields >= dataFields {
		r.Fail()
	}
	has := func(bit uint64) bool { return fields&bit != 0 && r.Err() == nil }
	d.Filter, d.Sure, d.Lapsed, d.Same = has(dataFilter), has(dataSure), has(dataLapsed), has(dataSame)
	d.Claim, d.Fresh = has(dataClaim), has(dataFresh)
	if has(dataOp) {
		d.Op = r.Uvarint()
	}
	if has(dataGroup) {
		d.Group = r.Byte()
	}
	if has(dataMembers) {
		n := r.Uvarint()
		if d.Members = uint32(n); n > MaxVersions {
			r.Fail()
		}
	}
	if has(dataKey) {
		d.Key = string(r.Bytes(MaxKeyBytes))
	}
	if has(dataMember) {
		d.Member = Digest(r.Fixed(len(d.Member)))
	}
	if has(dataDigest) {
		d.Digest = Digest(r.Fixed(len(d.Digest)))
	}
	if has(dataRecord) {
		d.Record = r.Record()
	}
	if has(dataArc) {
		d.Arc = Arc{r.ID(), r.ID()}
		d.Prefix = Prefix{r.ID(), r.Byte()}
		if d.Prefix.Depth > 2*uint8(len(ID{})) || !d.Prefix.ID.zeroFrom(4*int(d.Prefix.Depth)) {
			r.Fail()
		}
	}
	d.branches(r, has)
	// One meaning, one encoding: a field that is said to be there and is zero is malformed.
	if r.Err() == nil && uint64(d.fields()) != fields {
		r.Fail()
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("message of the data: %w", err)
	}
	return d, nil
}

func (d *Data) branches(r *Reader, has func(uint64) bool) {
	if has(dataSums) {
		if r.Len() < Branches*(1+32) {
			r.Fail()
			return
		}
		d.Sums = make([]Sum, Branches)
		for i := range d.Sums {
			n := r.Uvarint()
			if d.Sums[i].Count = uint32(n); n > 1<<32-1 {
				r.Fail()
			}
			for w := range d.Sums[i].Total {
				d.Sums[i].Total[w] = r.Uint64()
			}
		}
	}
	if has(dataItems) {
		n := r.Count(1 + len(Digest{}))
		if n > MaxItems {
			r.Fail()
			return
		}
		for range n {
			d.Items = append(d.Items, Item{Key: string(r.Bytes(MaxKeyBytes)), Digest: Digest(r.Fixed(len(Digest{})))})
		}
	}
}
