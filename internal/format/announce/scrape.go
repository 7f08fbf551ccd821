package announce

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/eddy-p2p/eddy/bencode"
)

// ScrapeURL returns the scrape URL that belongs to an announce URL: "announce" after the last slash of the path becomes
// "scrape" (BEP 48). It reports false where the convention does not apply and the tracker therefore has no scrape.
func ScrapeURL(announceURL string) (string, bool) {
	base, _, _ := strings.Cut(announceURL, "#")
	base, query, has := strings.Cut(base, "?")
	slash := strings.LastIndexByte(base, '/')
	rest, ok := strings.CutPrefix(base[slash+1:], "announce")
	if !ok {
		return "", false
	}
	base = base[:slash+1] + "scrape" + rest
	if has {
		base += "?" + query
	}
	return base, true
}

// AppendScrapeURL appends base, a scrape URL, with the hashes (at most MaxScrape) as its query.
func AppendScrapeURL(b []byte, base string, hashes [][20]byte) []byte {
	b = append(b, base...)
	sep := separator(base)
	for _, h := range hashes[:min(len(hashes), MaxScrape)] {
		b = appendEscaped(append(append(b, sep), "info_hash="...), h[:])
		sep = '&'
	}
	return b
}

// ParseScrapeQuery reads the hashes from the query of an HTTP scrape; more than MaxScrape are left out. A scrape of every
// torrent, which BEP 48 allows to refuse, is an error.
func ParseScrapeQuery(query string) ([][20]byte, error) {
	var hashes [][20]byte
	err := eachParameter(query, func(name, value string) error {
		if name != "info_hash" || len(hashes) == MaxScrape {
			return nil
		}
		h, err := unescape20(name, value)
		hashes = append(hashes, h)
		return err
	})
	if err == nil && len(hashes) == 0 {
		err = fmt.Errorf("%w: no info_hash", ErrMalformed)
	}
	if err != nil {
		return nil, err
	}
	return hashes, nil
}

// AppendScrape appends the body of an HTTP scrape answer (BEP 48). Each hash is listed once: keys of a dictionary are
// unique and sorted.
func AppendScrape(b []byte, hashes [][20]byte, rows []Counts) []byte {
	order := make([]int, len(hashes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return bytes.Compare(hashes[x][:], hashes[y][:]) })
	b = append(b, "d5:filesd"...)
	for k, i := range order {
		if k > 0 && hashes[order[k-1]] == hashes[i] {
			continue
		}
		b = append(bencode.AppendBytes(b, hashes[i][:]), 'd')
		b = appendCount(b, "complete", rows[i].Complete)
		b = appendCount(b, "downloaded", rows[i].Downloaded)
		b = appendCount(b, "incomplete", rows[i].Incomplete)
		b = append(b, 'e')
	}
	return append(b, "ee"...)
}

// ParseScrape reads the body of an HTTP scrape answer: a row for each of hashes, in that order, with -1 for what the
// tracker did not say. A refusal is an error that holds the tracker's words.
func ParseScrape(body []byte, hashes [][20]byte) ([]Counts, error) {
	root, err := parseDict(body)
	if err != nil {
		return nil, err
	}
	files := root.Get("files")
	if f := root.Get("failure reason"); f.Exists() && files.Len() == 0 {
		return nil, &RefusedError{Reason: text(f)}
	}
	if files.Kind() != bencode.Dict {
		return nil, fmt.Errorf("%w: no files in a scrape", ErrMalformed)
	}
	rows := make([]Counts, len(hashes))
	for i := range rows {
		rows[i] = Counts{Complete: -1, Incomplete: -1, Downloaded: -1}
	}
	for key, row := range files.Entries() {
		for i := range hashes {
			if string(key) == string(hashes[i][:]) {
				rows[i] = Counts{
					Complete:   countOf(row.Get("complete")),
					Incomplete: countOf(row.Get("incomplete")),
					Downloaded: countOf(row.Get("downloaded")),
				}
			}
		}
	}
	return rows, nil
}

// RefusedError is a tracker's own refusal, as opposed to a failure to reach or understand it.
type RefusedError struct {
	Reason string // the tracker's words
}

// Error implements error.
func (e *RefusedError) Error() string { return "the tracker refused: " + e.Reason }
