package main

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var errEnough = errors.New("enough")

// packSources writes a tar archive of the sources of the Go toolchain, a real file that every machine with Go can make, until
// it has about the wanted bytes. It returns how many there are.
func packSources(ctx context.Context, path string, want int64) (size int64, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return 0, err
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "src")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if size >= want || ctx.Err() != nil {
			return errEnough
		}
		n, err := add(w, root, name)
		size += n
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	if err := errors.Join(ctx.Err(), w.Close()); err != nil {
		return 0, err
	}
	stat, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return stat.Size(), nil
}

// add appends one file to the archive and returns its bytes.
func add(w *tar.Writer, root, name string) (int64, error) {
	in, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	stat, err := in.Stat()
	if err != nil {
		return 0, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return 0, err
	}
	if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o644, Size: stat.Size()}); err != nil {
		return 0, err
	}
	return io.Copy(w, in)
}
