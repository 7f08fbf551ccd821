package storage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestFilesWriteFinishRead(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenFiles(FilesConfig{Root: filepath.Join(dir, "r"), Files: []FileSpec{
		{Path: "a/b/one", Offset: 0, Length: 10},
		{Offset: 10, Length: 6, Pad: true},
		{Path: "empty", Offset: 16, Length: 0},
		{Path: "two", Offset: 16, Length: 5},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("0123456789\x00\x00\x00\x00\x00\x00abcde")
	if err := s.WriteVecAt([][]byte{want[:7], want[7:18], want[18:]}, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := s.FinishFile(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %q, %v", got, err)
	}
	for name, size := range map[string]int64{"a/b/one": 10, "two": 5, "empty": 0} {
		fi, err := os.Stat(filepath.Join(dir, "r", name))
		if err != nil || fi.Size() != size {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
